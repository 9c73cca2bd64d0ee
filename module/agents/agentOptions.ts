// What an agent is told when it is loaded or welcomed.
import { ACTION_NAMES } from '../../contract/actions/index.ts';
import type { AgentOptions } from '../../contract/agentMessages.ts';
import type { Settings } from '../../contract/settings.ts';
import { VERSION } from '../../contract/version.ts';
import type { ManagedProcess } from '../pm2/managedProcess.ts';
import { type State, uidOf } from '../state/state.ts';

/** The options for the agent of one process. @throws when its user can have no folder */
export type OptionsFor = (listed: ManagedProcess) => AgentOptions;

export function createOptionsFor(settings: Settings, state: State, leaseMs: number): OptionsFor {
  return (listed) => {
    const uid = uidOf(listed.pid);
    return {
      version: VERSION,
      stateDir: state.folderFor(uid),
      leaseFile: state.leaseFor(uid),
      leaseMs,
      takenActions: keptActions(listed),
      maxMemoryRestart: listed.maxMemoryRestart,
      killTimeoutMs: listed.killTimeoutMs,
      graceful: settings.graceful,
      dumpKeep: settings.dump_keep,
      dumpMaxBytes: settings.dump_max_bytes,
    };
  };
}

/** Actions under names of ours that the app registered itself, and keeps. */
export function keptActions({ actions }: ManagedProcess): string[] {
  const ours: readonly string[] = ACTION_NAMES;
  return actions.filter((action) => !action.ours && ours.includes(action.name)).map(({ name }) => name);
}
