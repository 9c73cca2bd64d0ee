// Drops messages that a process should not have sent, counts them for that process, and logs each reason once.
import { titleOf } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { plain } from './agentMessages.ts';

/** How many reasons the module logs for one process, so that no process can fill the log. */
const MOST_REASONS = 5;
/** How many messages a process may send at once, and then per second. An agent sends a few for each action. */
const BURST = 200;
const PER_SECOND = 50;

export interface BadMessages {
  /** Has this process sent too many messages lately? Then the module does not read the rest. */
  isFlooding(pmId: PmId): boolean;
  refuse(pmId: PmId, reason: string): void;
  /** How many bad messages a process has sent since it started. */
  of(member: Member): number;
}

interface Record {
  count: number;
  told: Set<string>;
  /** How many messages the process may send now, and when that was computed. */
  allowance: number;
  atMs: number;
}

export function createBadMessages(fleet: Pick<Fleet, 'get'>, log: (line: string) => void): BadMessages {
  const records = new WeakMap<Member, Record>();
  /** For processes that PM2 does not list yet, or that are no apps. */
  const unknown = new Map<PmId, Record>();

  return {
    isFlooding(pmId) {
      const record = recordOf(pmId);
      const nowMs = performance.now();
      record.allowance = Math.min(BURST, record.allowance + ((nowMs - record.atMs) / 1000) * PER_SECOND);
      record.atMs = nowMs;
      if (record.allowance < 1) return true;
      record.allowance -= 1;
      return false;
    },
    refuse(pmId, reason) {
      const record = recordOf(pmId);
      record.count += 1;
      if (record.told.has(reason) || record.told.size >= MOST_REASONS) return;
      record.told.add(reason);
      const member = fleet.get(pmId);
      const who = member
        ? `${plain(titleOf(member.process), 100)} (id ${pmId}, pid ${member.process.pid})`
        : `id ${pmId}`;
      log(`dropped of ${who}: ${reason}`);
    },
    of: (member) => records.get(member)?.count ?? 0,
  };

  function recordOf(pmId: PmId): Record {
    const member = fleet.get(pmId);
    const known = member ? records.get(member) : unknown.get(pmId);
    if (known) return known;
    const record: Record = { count: 0, told: new Set(), allowance: BURST, atMs: performance.now() };
    if (member) {
      records.set(member, record);
      unknown.delete(pmId);
    } else unknown.set(pmId, record);
    return record;
  }
}
