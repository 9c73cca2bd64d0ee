// The options that an agent gets when the module loads or welcomes it.
import { ACTION_NAMES } from '../../contract/actions/index.ts';
import type { AgentOptions } from '../../contract/agentMessages.ts';
import type { Settings } from '../../contract/settings.ts';
import { VERSION } from '../../contract/version.ts';
import type { ManagedProcess } from '../pm2/managedProcess.ts';
import { type State, uidOf } from '../state/state.ts';

/** Makes the options for the agent of one process. @throws when there can be no folder for its user */
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

/** The actions that the app registered itself under names of ours, and keeps. */
export function keptActions({ actions }: ManagedProcess): string[] {
  const ours: readonly string[] = ACTION_NAMES;
  return actions.filter((action) => !action.ours && ours.includes(action.name)).map(({ name }) => name);
}
