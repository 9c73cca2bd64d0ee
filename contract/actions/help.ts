// The command's help on every action. The agent does not import it.
import { help as cpuProfile } from './cpuProfile.ts';
import type { Help } from './declaration.ts';
import { help as disableKeepalive } from './disableKeepalive.ts';
import { help as drain } from './drain.ts';
import { help as enableKeepalive } from './enableKeepalive.ts';
import { help as gc } from './gc.ts';
import { help as heapdump } from './heapdump.ts';
import { help as heapProfile } from './heapProfile.ts';
import type { ACTIONS, ActionName } from './index.ts';
import { help as leakReport } from './leakReport.ts';
import { help as opsStatus } from './opsStatus.ts';
import { help as report } from './report.ts';
import { help as resume } from './resume.ts';

export const HELP: { readonly [Name in ActionName]: Help<(typeof ACTIONS)[Name]> } = {
  heapdump,
  'disable-keepalive': disableKeepalive,
  'enable-keepalive': enableKeepalive,
  drain,
  resume,
  'ops-status': opsStatus,
  'cpu-profile': cpuProfile,
  'heap-profile': heapProfile,
  'leak-report': leakReport,
  gc,
  report,
};
