// The actions of every managed process, one verb one file.
import type { Actions } from '../context.ts';
import { drain } from './drain.ts';
import { disableKeepAlive, enableKeepAlive } from './keepAlive.ts';
import { opsStatus } from './opsStatus.ts';
import { resume } from './resume.ts';

// By `require`, because that is what the bundle has.
const later = () => require('./later.ts') as typeof import('./later.ts');

export const actions: Actions = {
  heapdump: async (...args) => later().heapdump(...args),
  'disable-keepalive': disableKeepAlive,
  'enable-keepalive': enableKeepAlive,
  drain,
  resume,
  'ops-status': opsStatus,
  'cpu-profile': async (...args) => later().cpuProfile(...args),
  'heap-profile': async (...args) => later().heapProfile(...args),
  'leak-report': async (...args) => later().leakReport(...args),
  gc: async (...args) => later().gc(...args),
  report: async (...args) => later().report(...args),
};
