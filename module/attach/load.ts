// Evaluates the script in the app between two events, never inside one.

import { setTimeout as sleep } from 'node:timers/promises';
import { pollUntil } from '../../shared/time.ts';
import type { Load } from './context.ts';
import { idleWithin } from './idle.ts';
import { type LoadOutcome, loadExpression, OUTCOME_EXPRESSION, type Proof } from './in-target.ts';
import type { Endpoint, InspectorSession } from './inspector.ts';
import { AttemptFailed, blocked, failed, orBlocked, RETRY_LATER_MS, RETRY_RARELY_MS } from './outcome.ts';

/** How long to try to find the app between two events. */
const LOAD_MS = 100;
const ANSWER_MS = 1000;
/** How long a saturated app may take to give the script a turn of its own; less than ANSWER_MS, for which the module waits. */
const OWN_TURN_MS = 800;
const OUTCOME_POLL_MS = 5;

export interface Loaded {
  value: unknown;
  heldMs: number;
}

/**
 * Loads a script through a session.
 * @param closing where the inspector listens that the app closes when the session has ended; null for one that stays open
 */
export async function loadBetweenEvents(
  session: InspectorSession,
  pid: number,
  load: Load,
  { proof, closing }: { proof: Proof; closing: Endpoint | null },
): Promise<Loaded> {
  let script: Parameters<typeof loadExpression>[0] = load.file ? { file: load.file } : load;
  const evaluate = async (ownTurnMs: number | null): Promise<LoadOutcome> => {
    const expression = loadExpression(script, load.argument, { closing, ownTurnMs });
    const options = { timeoutMs: ANSWER_MS, commandLineApi: !proof.builtin };
    const outcome = JSON.parse(String(await orBlocked(session.evaluate(expression, options)))) as LoadOutcome;
    return ownTurnMs === null ? outcome : ownTurn(session, outcome, proof);
  };
  const attempt = async (ownTurnMs: number | null): Promise<LoadOutcome> => {
    const outcome = await evaluate(ownTurnMs);
    if (!('unread' in outcome)) return outcome;
    // An app of another user, or in a container, may not be able to read the file: send it the text.
    script = load;
    return evaluate(ownTurnMs);
  };
  const until = performance.now() + LOAD_MS;
  let outcome = await attempt(null);
  while (!('value' in outcome) && performance.now() < until) {
    await sleep(1 + Math.random() * 10);
    await idleWithin(pid, 20);
    outcome = await attempt(null);
  }
  if (!('value' in outcome)) outcome = await attempt(OWN_TURN_MS);
  if ('value' in outcome) return outcome;
  if ('failed' in outcome) {
    throw new AttemptFailed('script-failed', `the script failed: ${outcome.failed}`, RETRY_RARELY_MS);
  }
  throw new AttemptFailed('busy', 'was in the middle of a request each time pm2-ops looked', RETRY_LATER_MS);
}

/** Waits for the outcome of a turn of its own, if the app has granted one. */
async function ownTurn(session: InspectorSession, granted: LoadOutcome, { builtin }: Proof): Promise<LoadOutcome> {
  if (!('pending' in granted)) return granted;
  const options = { timeoutMs: ANSWER_MS, commandLineApi: !builtin };
  const look = async () => {
    const answer = await orBlocked(session.evaluate(OUTCOME_EXPRESSION, options));
    return typeof answer === 'string' && (JSON.parse(answer) as LoadOutcome);
  };
  await sleep(OUTCOME_POLL_MS);
  const outcome = await pollUntil(look, { everyMs: OUTCOME_POLL_MS, timeoutMs: ANSWER_MS });
  if (!outcome) throw failed(blocked());
  return outcome;
}
