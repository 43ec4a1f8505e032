/** Where the kernel keeps what belongs to a TD. */
export interface TdxPaths {
  /** configfs directory in which a caller makes its own entry (Linux 6.7). */
  report: string
  /** RTMR3: 48 bytes; reading gives its value, writing 48 bytes extends it (Linux 6.16). */
  rtmr3: string
  /** The boot event log. */
  eventLog: string
}

/** Constants of the kernel's interface. Nothing at run time moves them: no environment variable, no configuration key. */
export const TDX_PATHS: TdxPaths = {
  report: '/sys/kernel/config/tsm/report',
  rtmr3: '/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384',
  eventLog: '/sys/firmware/acpi/tables/data/CCEL',
}
