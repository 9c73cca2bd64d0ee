// Tells when an instance has come up. PM2's word `online` is not enough: the instance sends `ready`, or its agent says that it
// serves.
import { setTimeout as sleep } from 'node:timers/promises';
import { appOf } from '../../contract/app.ts';
import { Refusal } from '../../contract/errors.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { ServerInfo } from '../../contract/standing.ts';
import { connectionTo, takesConnections } from './connections.ts';
import { list, reaches } from './cover.ts';
import type { Fleet, Member } from './fleet.ts';
import { type HealthTarget, healthTarget, probe } from './health.ts';
import { hasComeUp, isBelievedToServe, isBusyServing, saysItServes } from './serving.ts';

/** Pause between two looks. */
const LOOK_EVERY_MS = 150;
/** An instance that never gets an agent is believed to serve once it has been up for this long. */
const NO_AGENT_MS = 1_000;

export interface Readiness {
  /** Waits until an instance takes requests. @throws {Refusal} when it dies, or is not ready in time */
  untilReady(instance: Instance, expected: Expected): Promise<Member>;
  /** Waits until its health URL answers 2xx. @throws {Refusal} when it does not in time */
  untilHealthy(instance: Instance, health: string, instances: number, endsMs: number): Promise<void>;
  /** @throws {Refusal} when it has died, or was started again */
  requireUp(instance: Instance): Member;
}

/** One life of a process. After a restart it has another pid and a higher count of restarts. */
export interface Instance {
  pmId: PmId;
  restarts: number;
  /** When it was started, on the clock of performance.now(). */
  startedMs: number;
  /** 0 until PM2 has listed it. */
  pid: number;
  /** The pid before the restart, if there was one. */
  formerPid?: number;
}

export interface Expected {
  /** The app's other instances listen, so this one has to, too. */
  serves: boolean;
  /** The addresses at which they listen, and at which this one has to. */
  at?: readonly string[];
  /** When to give up, on the clock of performance.now(). */
  endsMs: number;
}

interface Parts {
  fleet: Fleet;
  /** Where an instance listens, as its agent says; empty if the agent does not answer. */
  serversOf(pmId: PmId): Promise<ServerInfo[]>;
  refresh(): Promise<void>;
  askState(member: Member): Promise<void>;
  /** Throws when the reload has to end. */
  checkpoint(): void;
  /** The line to type to do the same with `force`. */
  forced?(): string;
}

export function createReadiness({ fleet, serversOf, refresh, askState, checkpoint, forced }: Parts): Readiness {
  return { untilReady, untilHealthy, requireUp };

  async function untilReady(instance: Instance, expected: Expected): Promise<Member> {
    const { serves, at = [], endsMs } = expected;
    for (;;) {
      checkpoint();
      await refresh();
      const member = fleet.get(instance.pmId);
      if (member && hasStarted(member, instance)) {
        instance.pid ||= member.process.pid;
        requireUp(instance);
        const isReady = member.process.waitReady ? hasSaidReady(instance) : await isServing(member, instance, serves);
        // An instance that has sent ready may not listen yet, or not at all, or at another address.
        if (isReady && (await listensAt(member, at))) return member;
      }
      if (performance.now() > endsMs) throw notReady(instance, member, expected);
      await sleep(LOOK_EVERY_MS);
    }
  }

  /**
   * Has PM2 started this life already? Until then it lists the former one. An entry of PM2's list mixes two moments: PM2 takes the
   * pids first, then measures every process, and only then reads restarts and status, so an old pid may stand beside a new count.
   */
  function hasStarted({ process: listed }: Member, { restarts, pid, formerPid }: Instance): boolean {
    if (pid === 0 && formerPid !== undefined && listed.pid === formerPid) return false;
    return pid !== 0 || listed.restarts > restarts || (listed.restarts === restarts && listed.pid > 0);
  }

  function hasSaidReady({ pmId, startedMs }: Instance): boolean {
    return (fleet.readyAt(pmId) ?? -1) >= startedMs && fleet.get(pmId)?.process.status === 'online';
  }

  async function isServing(member: Member, { startedMs }: Instance, serves: boolean): Promise<boolean> {
    const { process: listed, attachment } = member;
    if (listed.status !== 'online') return false;
    if (attachment.is === 'skipped') return isBelievedToServe(member) && performance.now() - startedMs > NO_AGENT_MS;
    if (attachment.is === 'waiting') return isBusyServing(member);
    if (member.state === 'no-server' && serves) await askState(member);
    return hasComeUp(member, serves);
  }

  /** Does it take connections at the addresses of the others? */
  async function listensAt(member: Member, at: readonly string[]): Promise<boolean> {
    if (at.length === 0) return true;
    const { process: listed, attachment } = member;
    const hasAll = () => saysItServes(member) && at.every((each) => reaches(each, member.addresses ?? []));
    if (attachment.is === 'attached') {
      if (!hasAll()) await askState(member);
      return hasAll();
    }
    // A busy process has no agent yet, but clients show that it serves.
    if (attachment.is === 'waiting') return isBusyServing(member);
    const instances = fleet.instancesOf(appOf(listed)).length;
    for (const each of at) {
      if (await takesConnections(listed.pid, each, 3 * instances)) continue;
      // Other instances have taken all connections. Pause, because each try opens many.
      await sleep(NO_AGENT_MS);
      return false;
    }
    return true;
  }

  function notReady(instance: Instance, member: Member | undefined, { serves, at = [] }: Expected): Refusal {
    const ms = Math.round(performance.now() - instance.startedMs);
    const fail = (why: string, hint = 'look at its log lines; if it only needs longer: timeout=60000') =>
      new Refusal('E_TIMEOUT', `instance ${instance.pmId} was not ready after ${ms} ms: ${why}`, hint);
    if (!member) return fail('PM2 does not list it');
    if (member.process.waitReady && !hasSaidReady(instance)) {
      return fail("it has wait_ready and did not call process.send('ready')");
    }
    const { attachment, addresses = [] } = member;
    if (attachment.is !== 'attached') {
      const where = at.length === 0 ? '' : `; no connection to ${at.join(', ')} came to it`;
      return fail(`${attachment.reason}${where}`);
    }
    const missing = at.filter((each) => !reaches(each, addresses));
    if (member.state !== 'no-server' && missing.length > 0) {
      return fail(
        `it listens on ${list(addresses)}, and not on ${missing.join(', ')} as before`,
        `is that meant? ${forced?.() ?? 'force=true'} gives ${missing.join(', ')} up, where clients are refused from then on; else mend the code, then reload again`,
      );
    }
    if ((serves || at.length > 0) && member.state === 'no-server') {
      const before = at.length === 0 ? '' : `it listened on ${at.join(', ')} before; `;
      return fail('it listens on nothing', `${before}look at its log lines; if it only needs longer: timeout=60000`);
    }
    const { status } = member.process;
    return fail(status === 'online' && at.length > 0 ? `it is ${member.state}` : `PM2 says ${status}`);
  }

  function requireUp(instance: Instance): Member {
    const member = fleet.get(instance.pmId);
    const lived = Math.round(performance.now() - instance.startedMs);
    if (!member) {
      throw new Refusal('E_STATE', `instance ${instance.pmId} is gone: somebody deleted it`, 'see: pm2 ls');
    }
    const { pid, restarts, status } = member.process;
    const died =
      restarts > instance.restarts ||
      (instance.pid !== 0 && pid !== instance.pid) ||
      ['stopped', 'errored', 'waiting restart'].includes(status);
    if (!died) return member;
    throw new Refusal(
      'E_STATE',
      `instance ${instance.pmId} did not stay up: it ended within ${lived} ms of its start`,
      'look at its log lines, mend the code, then reload again',
    );
  }

  async function untilHealthy(instance: Instance, health: string, instances: number, endsMs: number): Promise<void> {
    const target = await findTarget(instance, health, endsMs);
    let why = 'no connection has come to the new instance';
    for (;;) {
      checkpoint();
      await refresh();
      const { process: listed } = requireUp(instance);
      const isOwn = listed.mode === 'fork' && health.startsWith('/');
      const answer = await (isOwn ? askOne(listed.pid, target, instances) : askAll(target, instances));
      if (answer?.isGood) return;
      if (answer) why = `it answered ${answer.bad}`;
      if (performance.now() > endsMs) {
        throw new Refusal(
          'E_TIMEOUT',
          `${health} did not become healthy in time: ${why}`,
          'look at the log lines, and ask it yourself: curl -i',
        );
      }
      await sleep(LOOK_EVERY_MS);
    }
  }

  /**
   * PM2 passes each new connection on to the next instance, so this asks more often than there are instances, each time over a
   * new connection. All answers must be good.
   */
  async function askAll(target: HealthTarget, instances: number): Promise<Health> {
    const answers = await Promise.all(Array.from({ length: 3 * instances }, () => probe(target)));
    return healthOf(answers.find((answer) => answer !== undefined));
  }

  /**
   * Any of the processes that share a socket may take a connection, so this asks over one that this process has taken.
   * @returns undefined if other processes have taken all
   */
  async function askOne(pid: number, target: HealthTarget, instances: number): Promise<Health | undefined> {
    const { host, port, socketPath } = target.options;
    if (socketPath) return askAll(target, instances);
    const connection = await connectionTo(pid, { host: host ?? 'localhost', port: Number(port) }, 3 * instances);
    return connection && healthOf(await probe(target, connection));
  }

  /** Where it listens, as its agent says. Waits for the agent, which comes late to a busy process. */
  async function serversOnceAttached(instance: Instance, endsMs: number): Promise<ServerInfo[]> {
    while (requireUp(instance).attachment.is === 'waiting' && performance.now() < endsMs) {
      checkpoint();
      await sleep(LOOK_EVERY_MS);
      await refresh();
    }
    return serversOf(instance.pmId);
  }

  async function findTarget(instance: Instance, health: string, endsMs: number): Promise<HealthTarget> {
    const target = healthTarget(health, health.startsWith('/') ? await serversOnceAttached(instance, endsMs) : []);
    if (target) return target;
    throw new Refusal(
      'E_NO_SERVER',
      `the port of instance ${instance.pmId} is not known: its agent names no HTTP server`,
      'give the whole URL: health=http://127.0.0.1:3000/health/ready',
    );
  }
}

type Health = { isGood: true } | { isGood: false; bad: string };

/** @param bad the first bad answer */
function healthOf(bad: string | undefined): Health {
  return bad === undefined ? { isGood: true } : { isGood: false, bad };
}
