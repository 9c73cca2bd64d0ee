// What is not needed before somebody asks for it. In the agent's bundle this is a text that is compiled then: its code, and
// the parts of Node that it uses (zlib, streams, the inspector), would hold the app at the moment of attaching.
export { cpuProfile } from './cpuProfile.ts';
export { gc } from './gc.ts';
export { heapdump } from './heapdump.ts';
export { heapProfile } from './heapProfile.ts';
export { leakReport } from './leakReport.ts';
export { report } from './report.ts';
