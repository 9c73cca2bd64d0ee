// Performs one action of a rule in one process, by the same ways as a person's command.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OfApp } from '../../contract/app.ts';
import type { ReloadRefused, ReloadReply, RunReply, StackReply } from '../../contract/commandMessages.ts';
import type { Failure } from '../../contract/errors.ts';
import type { Success } from '../../contract/reply.ts';
import type { Evidence, RuleAction } from '../../contract/rules.ts';
import { redact, redactTexts } from '../../shared/text/redact.ts';
import { coverOf } from '../fleet/cover.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { sizeText } from '../rulesFile/units.ts';

/** Files of stacks that are kept. */
const STACKS_KEPT = 50;

export type Outcome = Pick<Evidence, 'ok' | 'what' | 'file' | 'code'>;

export interface PerformParts {
  fleet: Fleet;
  /** The state folder. */
  folder: string;
  /** Looks into a process, as `stack` does. */
  stackOf(target: string): Promise<StackReply | Failure>;
  run(action: string, target: string, params: Record<string, unknown>): Promise<RunReply | Failure>;
  reload(app: OfApp): Promise<ReloadReply | ReloadRefused>;
  /** Why no instance can be added beside this one for the time of a dump; undefined if it can. */
  whyNotScaled(member: Member): string | undefined;
  /** The used heap of a process, by its last figures. */
  heapUsedBytes(pid: number): number;
}

/** @returns performs an action; never rejects */
export function createPerform(parts: PerformParts): (action: RuleAction, member: Member) => Promise<Outcome> {
  const { fleet, folder, stackOf, run, reload, whyNotScaled, heapUsedBytes } = parts;
  return async (action, member) => {
    try {
      return await perform(action, member);
    } catch (error) {
      return { ok: false, code: 'E_INTERNAL', what: (error as Error).message };
    }
  };

  async function perform(asked: RuleAction, member: Member): Promise<Outcome> {
    const target = String(member.process.pmId);
    switch (asked.action) {
      case 'stack':
        return ofStack(await stackOf(target), member);
      case 'reload':
        return ofReload(await reload(member.process));
      case 'heapdump': {
        const { action, inPlace, scale, gzip } = asked;
        const alone = inPlace ? undefined : whyAlone(member, scale);
        if (alone !== undefined) return { ok: false, code: 'E_LAST', what: alone };
        return ofRun(await run(action, target, { gzip, scale }));
      }
      case 'leak-report': {
        const { action, seconds, largestHeapBytes } = asked;
        const heap = heapUsedBytes(member.process.pid);
        if (heap > largestHeapBytes) {
          const what = `its heap of ${sizeText(heap)} is larger than ${sizeText(largestHeapBytes)}: each full collection would stop it; ask yourself: pm2-ops leak-report ${target}`;
          return { ok: false, code: 'E_MEMORY', what };
        }
        return ofRun(await run(action, target, { seconds }));
      }
      case 'alert':
        return { ok: true, what: 'sent' };
      default: {
        const { action, ...params } = asked;
        return ofRun(await run(action, target, params));
      }
    }
  }

  /** Why a dump would keep clients waiting. */
  function whyAlone(member: Member, scale: boolean): string | undefined {
    const serving = fleet.siblingsOf(member).filter(({ state }) => state === 'serving');
    const { covered, alone } = coverOf(member, serving);
    if (covered.length > 0 && alone.length === 0) return undefined;
    const whyNot = scale && alone.length > 0 ? whyNotScaled(member) : undefined;
    if (scale && alone.length > 0 && whyNot === undefined) return undefined;
    const where =
      alone.length > 0
        ? `no sibling serves ${alone.map(({ at }) => at).join(', ')} meanwhile`
        : 'it serves no address that a sibling serves, too';
    const otherwise = scale
      ? `none can be added${whyNot === undefined ? '' : ` (${whyNot})`}; "inPlace": true in the rule dumps anyway`
      : '"scale": true in the rule adds one for that time, "inPlace": true dumps anyway';
    return `not dumped, because V8 would stop it while nobody stands in: ${where}; ${otherwise}`;
  }

  function ofStack(reply: StackReply | Failure, member: Member): Outcome {
    if (!reply.ok) return ofFailure(reply);
    const place = join(folder, 'stacks');
    mkdirSync(place, { recursive: true, mode: 0o700 });
    const time = new Date().toISOString().replace(/[-:.]/g, '');
    const file = join(place, `${time}-${member.process.pid}.json`);
    writeFileSync(file, JSON.stringify(redactTexts(reply), null, 1), { mode: 0o600, flag: 'wx' });
    // The names begin with the time.
    const old = readdirSync(place).sort().slice(0, -STACKS_KEPT);
    for (const name of old) rmSync(join(place, name), { force: true });
    return { ok: true, what: redact(reply.verdict), file };
  }
}

function ofRun(reply: RunReply | Failure): Outcome {
  if ('code' in reply) return ofFailure(reply);
  const [first] = reply.results;
  if (!first) return { ok: false, code: 'E_STATE', what: 'no process has answered' };
  if (!first.reply.ok) return ofFailure(first.reply);
  // An app may have sent the reply, so its fields are not taken on trust.
  const { file, verdict, reason, drained } = first.reply as Success &
    Record<'file' | 'verdict' | 'reason' | 'drained', unknown>;
  const said = [verdict, reason].filter((text) => typeof text === 'string').join(': ');
  const what = said || (drained === true ? 'drained, dumped, and serves again' : 'done');
  return {
    ok: true,
    what: redact(what.slice(0, 1_000)),
    ...(typeof file === 'string' && file.length < 4_096 ? { file } : {}),
  };
}

function ofReload(reply: ReloadReply | ReloadRefused): Outcome {
  return reply.ok ? { ok: true, what: `${reply.instances} instance(s) of ${reply.app} replaced` } : ofFailure(reply);
}

function ofFailure({ code, message }: Failure): Outcome {
  return { ok: false, code, what: redact(message.slice(0, 1_000)) };
}
