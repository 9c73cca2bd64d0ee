// The actions of every managed process, one verb one file.
import type { Actions } from '../context.ts';
import { drain } from './drain.ts';
import { disableKeepAlive, enableKeepAlive } from './keepAlive.ts';
import { opsStatus } from './opsStatus.ts';
import { resume } from './resume.ts';

// Loaded when they are first asked for, by `require` because that is what the bundle has: their parts of Node (zlib, streams,
// the inspector) would hold the app for milliseconds at the moment of attaching.
export const actions: Actions = {
  heapdump: (...args) => (require('./heapdump.ts') as typeof import('./heapdump.ts')).heapdump(...args),
  'disable-keepalive': disableKeepAlive,
  'enable-keepalive': enableKeepAlive,
  drain,
  resume,
  'ops-status': opsStatus,
  gc: (...args) => (require('./gc.ts') as typeof import('./gc.ts')).gc(...args),
  report: (...args) => (require('./report.ts') as typeof import('./report.ts')).report(...args),
};
