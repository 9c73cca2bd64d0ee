// The public face of the attach engine.

export { type Attacher, type AttacherOptions, createAttacher } from './attacher.ts';
export type { Load, Step } from './context.ts';
export { LOOK_WITHIN_MS } from './look.ts';
export { openInspectorOf } from './openInspector.ts';
export type { Attached, AttemptCode, NotAttached, Unfit, UnfitCode } from './outcome.ts';
export { type Fit, qualify } from './qualify.ts';
export { readScript, type Script } from './script.ts';
