// The agent's client of the module: asks its coordinator before a drain or a dump, which concern the siblings of this process too,
// and has it do what costs this process nothing there.
import type { ActionName } from '../contract/actions/index.ts';
import type { Addressed, AgentMessage, Verdict } from '../contract/agentMessages.ts';
import { Refusal } from '../contract/errors.ts';
import type { ParamValues } from '../contract/params.ts';

/** How long the module may take to say at least "heard", in milliseconds; it answers in a few when it runs. */
const HEARD_WITHIN_MS = 2_000;

/** The coordinator's consent; `done` tells it that what was granted is over. */
export interface Grant {
  done(): void;
  /** For a dump: may this instance be drained meanwhile? */
  drain: { may: true } | { may: false; reason: string };
  /** Addresses of this process at which no sibling listens. */
  alone: string[];
}

export interface ModuleClient {
  /**
   * @returns a grant, or why this instance is to skip the action
   * @throws {Refusal} what the coordinator refused with, or E_TIMEOUT when no module answers
   */
  ask(action: ActionName, params: ParamValues, addressed: Addressed): Promise<Grant | { skip: string }>;
  /**
   * Has the module compress a file while this process writes it.
   * @returns to be called once it is whole: did the module do it?
   */
  compress(from: string, to: string): (bytes: number) => Promise<boolean>;
  /** Delivers the module's verdict. */
  settle(id: string, verdict: Verdict): void;
  /**
   * Settles when PM2 has done all that this process had asked of it before, such as to hand its connections to others:
   * there and back on the same channel. At the latest after `HEARD_WITHIN_MS`.
   */
  echo(): Promise<void>;
  /** Delivers an echo. */
  echoed(id: string): void;
}

const UNDECIDED = { may: false, reason: 'the pm2-ops module did not say whether siblings serve' } as const;

/** @param send puts an agent message on the bus; false when it could not */
export function createModuleClient(send: (message: AgentMessage) => boolean): ModuleClient {
  const mailboxes = new Map<string, Mailbox>();
  const echoes = new Map<string, () => void>();
  let asked = 0;
  // Unique on this host, without loading node:crypto into the app.
  const newId = () => `${process.pid}-${performance.timeOrigin}-${++asked}`;

  return {
    async ask(action, params, addressed) {
      const id = newId();
      const { heapUsed } = process.memoryUsage();
      const done = () => void send({ kind: 'done', id, pid: process.pid });
      const verdict = await verdictOn({ kind: 'ask', id, pid: process.pid, action, params, addressed, heapUsed });
      if (verdict?.is === 'go') return { done, drain: verdict.drain ?? UNDECIDED, alone: verdict.alone ?? [] };
      if (verdict?.is === 'skip') return { skip: verdict.reason };
      if (verdict?.is === 'refuse') throw new Refusal(verdict.code, verdict.message, verdict.hint);
      if (params.force === true) return { done, drain: UNDECIDED, alone: [] };
      // Withdrawn: a verdict that comes after all must not leave the coordinator waiting for us.
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
        const verdict = await verdictOn({ kind: 'compress-end', id, pid: process.pid, bytes });
        if (verdict === undefined) send({ kind: 'done', id, pid: process.pid });
        return verdict?.is === 'go';
      };
    },
    settle(id, verdict) {
      mailboxes.get(id)?.put(verdict);
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

  /** The module's word on a question, however long it has us wait; undefined when there is none. */
  async function verdictOn(question: AgentMessage & { id: string }): Promise<Verdict | undefined> {
    const mailbox = createMailbox();
    mailboxes.set(question.id, mailbox);
    try {
      let verdict = await mailbox.next(send(question) ? HEARD_WITHIN_MS : 0);
      while (verdict?.is === 'wait') verdict = await mailbox.next(verdict.ms);
      return verdict;
    } finally {
      mailboxes.delete(question.id);
    }
  }
}

/** Verdicts on one question, in their order: `wait` and what follows it may arrive at once. */
interface Mailbox {
  put(verdict: Verdict): void;
  /** @returns undefined when none comes within `timeoutMs` */
  next(timeoutMs: number): Promise<Verdict | undefined>;
}

function createMailbox(): Mailbox {
  const verdicts: Verdict[] = [];
  let wake = () => {};
  return {
    put(verdict) {
      verdicts.push(verdict);
      wake();
    },
    async next(timeoutMs) {
      if (verdicts.length === 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          timer.unref();
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      return verdicts.shift();
    },
  };
}
