export { describeRoutes } from './describe.ts'
export * from './host.ts'
export { API_LIMITS, type ApiLimits, type AppServer, createAppServer } from './server.ts'
export { listenOnUnixSocket, SOCKET_PATH_BYTES_MAX, type SocketPlace, type UnixSocket } from './socket.ts'
