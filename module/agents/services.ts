// What all parts of the module that work on managed processes share.
import type { Events } from '../events/events.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import type { Daemon } from '../pm2/daemon.ts';
import type { AgentCalls } from './agentCalls.ts';

export interface Services {
  fleet: Fleet;
  daemon: Daemon;
  calls: AgentCalls;
  events: Events;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
  /** Asks an agent how its process stands now, which updates the fleet. Always resolves, within about a second. */
  askState(member: Member): Promise<void>;
  log(line: string): void;
}
