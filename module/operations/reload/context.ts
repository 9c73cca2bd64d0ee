// What the steps of one reload run share.
import type { App, OfApp } from '../../../contract/app.ts';
import type { Replaced } from '../../../contract/commandMessages.ts';
import type { PmId } from '../../../contract/pmId.ts';
import type { AgentCalls } from '../../agents/agentCalls.ts';
import type { Doors } from '../../door/doors.ts';
import type { Fleet, Member } from '../../fleet/fleet.ts';
import type { Instance, Readiness } from '../../fleet/readiness.ts';
import type { Daemon } from '../../pm2/daemon.ts';
import type { Drains } from './drains.ts';
import type { FormerAddresses } from './formerAddresses.ts';
import type { Interruption } from './interruption.ts';
import type { LastLines } from './lastLines.ts';
import type { ProgressLines } from './progressLines.ts';
import type { ReloadJournal, RunEntry } from './reloadJournal.ts';
import type { ReloadParams } from './reloadParams.ts';
import type { SharedSockets } from './sharedSockets.ts';

/** What to reload, and the way in which a person asked for it: hints name the same way. */
export type ReloadRequest = ReloadParams & { by: 'command' | 'trigger' };

/** What reloads need of the module. */
export interface ReloadParts {
  fleet: Fleet;
  daemon: Daemon;
  calls: AgentCalls;
  doors: Doors;
  journal: ReloadJournal;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
  /** Asks an agent how its process stands, which updates the fleet. */
  askState(member: Member): Promise<void>;
  /** Which instance of this app dumps its heap now. */
  dumping(app: App): PmId | undefined;
  log(line: string): void;
}

/** One reload run of one app. */
export interface ReloadContext {
  parts: ReloadParts;
  request: ReloadRequest;
  app: App;
  title: string;
  /** The app in PM2's words. */
  of: OfApp;
  /** The instances as they were. */
  old: readonly Instance[];
  lines: ProgressLines;
  interruption: Interruption;
  addresses: FormerAddresses;
  sockets: SharedSockets;
  readiness: Readiness;
  lastLines: LastLines;
  drains: Drains;
  journal: RunEntry;
  /** Instances that have proven the new code: the canary, and those that were replaced. */
  successors: Instance[];
  replaced: Replaced[];
  /** Instances that this run has PM2 reload by itself: PM2 renames these, and no other reload does. */
  leftToPm2: Set<PmId>;
}

/** @throws {ReloadFailure} when one of the instances with the new code has died */
export function requireSuccessorsUp({ successors, readiness }: ReloadContext): void {
  for (const instance of successors) readiness.requireUp(instance);
}
