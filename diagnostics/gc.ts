// A full garbage collection, with memory before and after: is it garbage, or is it held?
import { Session } from 'node:inspector';

/** Memory of this process right before and right after a full collection. */
export interface Collected {
  before: NodeJS.MemoryUsage;
  after: NodeJS.MemoryUsage;
}

/** Collects through V8's own profiler domain: no port is opened, and unlike with --expose-gc nothing of it stays. */
export async function collectGarbage(): Promise<Collected> {
  const before = process.memoryUsage();
  const session = new Session();
  session.connect();
  try {
    await new Promise<void>((resolve, reject) => {
      session.post('HeapProfiler.collectGarbage', (error) => (error ? reject(error) : resolve()));
    });
  } finally {
    session.disconnect();
  }
  return { before, after: process.memoryUsage() };
}
