// Which processes had an agent when they ended. The fleet forgets a process with its end, perhaps before the exit is recorded.
import type { Events } from '../events/events.ts';
import type { Fleet } from '../fleet/fleet.ts';

export interface AgentSeen {
  isThere: boolean;
  /** Why not, for a person. */
  whyNot?: string;
}

export interface AgentsSeen {
  of(pid: number): AgentSeen;
  forget(pid: number): void;
}

/** Processes that were forgotten by nobody, such as those that PM2 dropped without a word. */
const MOST = 2_000;

export function createAgentsSeen(events: Events, fleet: Pick<Fleet, 'members'>): AgentsSeen {
  const seen = new Map<number, AgentSeen>();
  const learn = (pid: number, agent: AgentSeen) => {
    seen.delete(pid);
    seen.set(pid, agent);
    for (const oldest of seen.keys()) {
      if (seen.size <= MOST) return;
      seen.delete(oldest);
    }
  };
  events.on('attached', ({ process: { pid } }) => learn(pid, { isThere: true }));
  events.on('attachment-lost', ({ process: { pid }, reason }) => {
    // A process that exits takes its agent along.
    if (!/exit/.test(reason)) learn(pid, { isThere: false, whyNot: reason });
  });
  return {
    of(pid) {
      const known = seen.get(pid);
      if (known) return known;
      const attachment = fleet.members().find(({ process }) => process.pid === pid)?.attachment;
      if (attachment?.is === 'attached') return { isThere: true };
      return { isThere: false, whyNot: attachment?.reason ?? 'it ended too early' };
    },
    forget: (pid) => void seen.delete(pid),
  };
}
