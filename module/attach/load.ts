// Evaluates the script in the app between two events, never inside one.

import { setTimeout as sleep } from 'node:timers/promises';
import { pollUntil } from '../../shared/time.ts';
import type { Load } from './context.ts';
import { idleWithin } from './idle.ts';
import { type LoadOutcome, loadExpression, OUTCOME_EXPRESSION, type Proof, prepareExpression } from './in-target.ts';
import type { Endpoint, InspectorSession } from './inspector.ts';
import { AttemptFailed, blocked, failed, orBlocked, RETRY_LATER_MS, RETRY_RARELY_MS } from './outcome.ts';

/** How long to look for a moment between two events. */
const LOAD_MS = 100;
const IDLE_MS = 20;
const ANSWER_MS = 1000;
/** How long a saturated app may take to give the script a turn of its own; less than the module waits. */
const OWN_TURN_MS = 800;
const OUTCOME_POLL_MS = 5;

export interface Loaded {
  value: unknown;
  /** How long the app's event loop was held at once. */
  heldMs: number;
}

export interface LoadOptions {
  proof: Proof;
  /** Where the inspector listens that the app is to close when the session has ended; null for one that stays open. */
  closing: Endpoint | null;
  /** Called when the script is compiled and not started yet. */
  onPrepared(): Promise<void>;
}

/** Loads a script through a session: compiles it in one turn of the app's event loop and starts it in another. */
export async function loadBetweenEvents(
  session: InspectorSession,
  pid: number,
  { source, argument }: Load,
  { proof, closing, onPrepared }: LoadOptions,
): Promise<Loaded> {
  const evaluate = async (expression: string) => {
    const options = { timeoutMs: ANSWER_MS, commandLineApi: !proof.builtin };
    return JSON.parse(String(await orBlocked(session.evaluate(expression, options)))) as LoadOutcome;
  };
  const prepared = await betweenEvents(session, pid, (ownTurnMs) => evaluate(prepareExpression(source, ownTurnMs)));
  await onPrepared();
  // Seen waiting for events, its event loop has turned.
  await idleWithin(pid, IDLE_MS);
  const loaded = await betweenEvents(session, pid, (ownTurnMs) =>
    evaluate(loadExpression(argument, closing, ownTurnMs)),
  );
  return { value: loaded.value, heldMs: Math.max(prepared.heldMs, loaded.heldMs) };
}

/** Evaluates until the app is between two events; in a turn of its own where that moment does not come. */
async function betweenEvents(
  session: InspectorSession,
  pid: number,
  evaluate: (ownTurnMs: number | null) => Promise<LoadOutcome>,
): Promise<Loaded> {
  const until = performance.now() + LOAD_MS;
  let outcome = await evaluate(null);
  while (!('value' in outcome) && performance.now() < until) {
    await sleep(1 + Math.random() * 10);
    await idleWithin(pid, IDLE_MS);
    outcome = await evaluate(null);
  }
  if (!('value' in outcome)) outcome = await ownTurn(session, await evaluate(OWN_TURN_MS));
  if ('value' in outcome) return outcome;
  if ('failed' in outcome) {
    throw new AttemptFailed('script-failed', `the script failed: ${outcome.failed}`, RETRY_RARELY_MS);
  }
  throw new AttemptFailed('busy', 'was in the middle of a request each time it was looked at', RETRY_LATER_MS);
}

/** Waits for what a turn of its own brings, if one was granted. */
async function ownTurn(session: InspectorSession, granted: LoadOutcome): Promise<LoadOutcome> {
  if (!('pending' in granted)) return granted;
  const look = async () => {
    const answer = await orBlocked(session.evaluate(OUTCOME_EXPRESSION, { timeoutMs: ANSWER_MS }));
    return typeof answer === 'string' && (JSON.parse(answer) as LoadOutcome);
  };
  await sleep(OUTCOME_POLL_MS);
  const outcome = await pollUntil(look, { everyMs: OUTCOME_POLL_MS, timeoutMs: ANSWER_MS });
  if (!outcome) throw failed(blocked());
  return outcome;
}
