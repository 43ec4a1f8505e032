import { parentPort } from 'node:worker_threads'
import { doFileWork, type FileWork, STOP } from './file-work.ts'

// The thread that quotes are made in. One message in, one out, in order, until it is told to stop.
parentPort!.on('message', (work: FileWork | typeof STOP) => {
  if (work === STOP) parentPort!.close()
  else parentPort!.postMessage(doFileWork(work))
})
