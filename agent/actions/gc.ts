// A full garbage collection, with memory before and after: is it garbage, or is it held?
import { Session } from 'node:inspector';
import type { Actions } from '../context.ts';

export const gc: Actions['gc'] = async () => {
  const before = process.memoryUsage();
  // Through V8's own profiler domain: no port is opened, and unlike --expose-gc nothing of it stays.
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
};
