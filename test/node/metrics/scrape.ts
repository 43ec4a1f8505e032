import assert from 'node:assert/strict'

/** One line of Prometheus's text format. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** A scrape, read strictly: a line that is none of the format fails the test. */
export class Scrape {
  readonly samples: Sample[] = []
  /** Name of each family, with its type. */
  readonly types = new Map<string, string>()

  constructor(readonly body: string) {
    for (const line of body.split('\n')) {
      if (line === '' || line.startsWith('# HELP ')) continue
      const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary)$/.exec(line)
      if (type !== null) {
        assert.ok(!this.types.has(type[1]!), `${type[1]} is there twice`)
        this.types.set(type[1]!, type[2]!)
        continue
      }
      const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line)
      assert.ok(sample !== null, `no line of the text format: ${JSON.stringify(line)}`)
      const labels: Record<string, string> = {}
      for (const [, name, value] of (sample[2] ?? '').matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/g)) labels[name!] = value!
      const value = Number(sample[3]!.replace('Inf', 'Infinity').replace('Nan', 'NaN'))
      this.samples.push({ name: sample[1]!, labels, value })
    }
  }

  all(name: string): Sample[] {
    return this.samples.filter((sample) => sample.name === name)
  }

  /** The only sample of `name` with these labels, among others. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const found = this.all(name).filter((sample) =>
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    )
    assert.ok(found.length <= 1, `${found.length} samples of ${name}`)
    return found[0]?.value
  }

  /** Every name that a query may use. */
  names(): Set<string> {
    const names = new Set<string>()
    for (const [name, type] of this.types) {
      const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : type === 'summary' ? ['', '_sum', '_count'] : ['']
      for (const suffix of suffixes) names.add(name + suffix)
    }
    return names
  }
}
