// The parts of the attach loop, put together.

import type { Settings } from '../../contract/settings.ts';
import { isRunning } from '../../shared/linux/running.ts';
import type { Attacher, Script } from '../attach/index.ts';
import { watchReloadsOfPm2 } from '../pm2/reloadsOfPm2.ts';
import type { State } from '../state/state.ts';
import { createOptionsFor } from './agentOptions.ts';
import { createAttachAttempt } from './attachAttempt.ts';
import { type AttachLoop, createAttachLoop } from './attachLoop.ts';
import { createHandshake, type Handshake } from './handshake.ts';
import { createKnocks, type Knocks } from './knocks.ts';
import { createOptionsAtStart, type OptionsAtStart } from './optionsAtStart.ts';
import type { Services } from './services.ts';
import { createSuccessors, type Successors } from './successors.ts';

export interface Attaching {
  handshake: Handshake;
  knocks: Knocks;
  attachLoop: AttachLoop;
  successors: Successors;
  optionsAtStart: OptionsAtStart;
}

export interface AttachingParts extends Pick<Services, 'daemon' | 'fleet' | 'events' | 'refresh' | 'log'> {
  attacher: Attacher;
  settings: Settings;
  state: State;
  /** The agent's bundle. */
  script: Script;
  leaseMs: number;
}

export function createAttaching(parts: AttachingParts): Attaching {
  const reloads = watchReloadsOfPm2(isRunning);
  const optionsFor = createOptionsFor(parts.settings, parts.state, parts.leaseMs);
  const handshake = createHandshake({ ...parts, optionsFor });
  const knocks = createKnocks({ ...parts, handshake });
  const attempt = createAttachAttempt({ ...parts, handshake, knocks, reloads, optionsFor });
  const attachLoop = createAttachLoop({ ...parts, handshake, attempt });
  const successors = createSuccessors({ ...parts, reloads, attachLoop });
  const optionsAtStart = createOptionsAtStart({ ...parts, optionsFor });
  return { handshake, knocks, attachLoop, successors, optionsAtStart };
}
