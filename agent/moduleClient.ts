// The agent's client of the module: it asks the coordinator before a drain or a dump, which concern the siblings, too, and has the
// module do work that would cost this process time.
import type { ActionName } from '../contract/actions/index.ts';
import type { Addressed, AgentMessage, Grant } from '../contract/agentMessages.ts';
import { Refusal } from '../contract/errors.ts';
import type { ParamValues } from '../contract/params.ts';

/** How long the module may take to give a first answer; it usually takes a few milliseconds. */
const HEARD_WITHIN_MS = 2_000;

/** The coordinator's consent. */
export interface Granted {
  /** Tells the coordinator that the granted action is over. */
  done(): void;
  /** For a dump: may this instance be drained meanwhile? */
  drain: { may: true } | { may: false; reason: string };
  /** Addresses of this process at which no sibling listens. */
  alone: string[];
}

export interface ModuleClient {
  /**
   * Asks the coordinator whether this instance may perform an action now.
   * @returns the consent, or why this instance has to skip the action
   * @throws {Refusal} the coordinator's refusal, or E_TIMEOUT if no module answers
   */
  ask(action: ActionName, params: ParamValues, addressed: Addressed): Promise<Granted | { skip: string }>;
  /**
   * Has the module compress a file while this process writes it.
   * @returns a function to call with the file's size once it is complete; resolves with whether the module has compressed it
   */
  compress(from: string, to: string): (bytes: number) => Promise<boolean>;
  /** Delivers the module's answer to a question. */
  settle(id: string, grant: Grant): void;
  /**
   * Sends a message through PM2 and back on the same channel. When it is back, PM2 has done all that this process had asked of it
   * before, such as to pass connections on to other instances. Resolves after `HEARD_WITHIN_MS` at the latest.
   */
  echo(): Promise<void>;
  /** Delivers an echo. */
  echoed(id: string): void;
}

const UNDECIDED = { may: false, reason: 'the pm2-ops module did not say whether siblings serve' } as const;

/**
 * Opens the client.
 * @param send sends an agent's message over the bus; returns false if that fails
 */
export function createModuleClient(send: (message: AgentMessage) => boolean): ModuleClient {
  const mailboxes = new Map<string, Mailbox>();
  const echoes = new Map<string, () => void>();
  let asked = 0;
  // Unique on this host; node:crypto would have to be loaded into the app.
  const newId = () => `${process.pid}-${performance.timeOrigin}-${++asked}`;

  return {
    async ask(action, params, addressed) {
      const id = newId();
      const { heapUsed } = process.memoryUsage();
      const done = () => void send({ kind: 'done', id, pid: process.pid });
      const grant = await grantFor({ kind: 'ask', id, pid: process.pid, action, params, addressed, heapUsed });
      if (grant?.is === 'go') return { done, drain: grant.drain ?? UNDECIDED, alone: grant.alone ?? [] };
      if (grant?.is === 'skip') return { skip: grant.reason };
      if (grant?.is === 'refuse') throw new Refusal(grant.code, grant.message, grant.hint);
      if (params.force === true) return { done, drain: UNDECIDED, alone: [] };
      // Withdraws the question, so that the coordinator does not wait for this instance.
      done();
      throw new Refusal(
        'E_TIMEOUT',
        `the pm2-ops module gave no answer on whether this instance may ${action} now`,
        'check that it runs: pm2 ls; to go on without it: force=true',
      );
    },
    compress(from, to) {
      const id = newId();
      send({ kind: 'compress', id, pid: process.pid, from, to });
      return async (bytes) => {
        const grant = await grantFor({ kind: 'compress-end', id, pid: process.pid, bytes });
        if (grant === undefined) send({ kind: 'done', id, pid: process.pid });
        return grant?.is === 'go';
      };
    },
    settle(id, grant) {
      mailboxes.get(id)?.put(grant);
    },
    async echo() {
      const id = newId();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, HEARD_WITHIN_MS);
        timer.unref();
        echoes.set(id, () => {
          clearTimeout(timer);
          resolve();
        });
        if (!send({ kind: 'echo', id, pid: process.pid })) echoes.get(id)?.();
      });
      echoes.delete(id);
    },
    echoed(id) {
      echoes.get(id)?.();
    },
  };

  /** The module's final answer, after any number of `wait`s; undefined if none comes in time. */
  async function grantFor(question: AgentMessage & { id: string }): Promise<Grant | undefined> {
    const mailbox = createMailbox();
    mailboxes.set(question.id, mailbox);
    try {
      let grant = await mailbox.next(send(question) ? HEARD_WITHIN_MS : 0);
      while (grant?.is === 'wait') grant = await mailbox.next(grant.ms);
      return grant;
    } finally {
      mailboxes.delete(question.id);
    }
  }
}

/** The answers to one question, in order: a `wait` and the next answer may arrive at once. */
interface Mailbox {
  put(grant: Grant): void;
  /** @returns undefined if none comes within `timeoutMs` */
  next(timeoutMs: number): Promise<Grant | undefined>;
}

function createMailbox(): Mailbox {
  const grants: Grant[] = [];
  let wake = () => {};
  return {
    put(grant) {
      grants.push(grant);
      wake();
    },
    async next(timeoutMs) {
      if (grants.length === 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          timer.unref();
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      return grants.shift();
    },
  };
}
