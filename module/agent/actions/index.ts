// The actions of every managed process, one verb one file.
import type { Actions } from '../context.ts';
import { drain } from './drain.ts';
import { gc } from './gc.ts';
import { heapdump } from './heapdump.ts';
import { disableKeepAlive, enableKeepAlive } from './keepAlive.ts';
import { opsStatus } from './opsStatus.ts';
import { report } from './report.ts';
import { resume } from './resume.ts';

export const actions: Actions = {
  heapdump,
  'disable-keepalive': disableKeepAlive,
  'enable-keepalive': enableKeepAlive,
  drain,
  resume,
  'ops-status': opsStatus,
  gc,
  report,
};
