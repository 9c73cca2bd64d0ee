// `status`: the state of every managed process.
import type { StatusReply } from '../../../contract/commandMessages.ts';
import type { Settings } from '../../../contract/settings.ts';
import { VERSION } from '../../../contract/version.ts';
import type { BadMessages } from '../../agents/badMessages.ts';
import type { Responsiveness } from '../../fleet/responsiveness.ts';
import type { Rules } from '../../rules/rules.ts';
import { type ProcessStatusParts, processStatus } from '../processStatus.ts';

export interface StatusParts extends ProcessStatusParts {
  settings: Settings;
  responsiveness: Responsiveness;
  bad: Pick<BadMessages, 'of'>;
  /** Does that process write a heap dump? */
  isDumping(pid: number): boolean;
  rules: Pick<Rules, 'refused'>;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
}

/** Takes 2 s if an event loop is blocked and the module did not know it yet. */
export async function status(parts: StatusParts): Promise<StatusReply> {
  const { fleet, settings, responsiveness, isDumping, refresh, bad, rules } = parts;
  await refresh();
  const blocked = await responsiveness.blocked(fleet.members());
  return {
    ok: true,
    action: 'status',
    version: VERSION,
    settings,
    ...(rules.refused().length > 0 ? { refusedRules: rules.refused() } : {}),
    processes: fleet.members().map((member) => ({
      ...processStatus(parts, member, blocked.get(member.process.pid)),
      ...(isDumping(member.process.pid) ? { dumping: true as const } : {}),
      ...(bad.of(member) > 0 ? { badMessages: bad.of(member) } : {}),
    })),
  };
}
