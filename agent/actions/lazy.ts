// The actions that are compiled on first use. The agent's bundle holds them as a text: their code, and the parts of Node that
// they use (zlib, streams, the inspector), would hold the app at the moment of attaching.
import type { Actions } from '../context.ts';
import { cpuProfile } from './cpuProfile.ts';
import type { eager } from './eager.ts';
import { gc } from './gc.ts';
import { heapdump } from './heapdump.ts';
import { heapProfile } from './heapProfile.ts';
import { leakReport } from './leakReport.ts';
import { report } from './report.ts';

export const lazy: Omit<Actions, keyof typeof eager> = {
  heapdump,
  'cpu-profile': cpuProfile,
  'heap-profile': heapProfile,
  'leak-report': leakReport,
  gc,
  report,
};
