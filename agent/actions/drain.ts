// Takes this instance out of service: stops listening, finishes what clients have sent, and stays up.

import { Refusal } from '../../contract/errors.ts';
import { requestLines } from '../../drain/index.ts';
import type { Actions } from '../context.ts';
import { requireServer } from './server.ts';

export const drain: Actions['drain'] = async (params, { engine, moduleClient, addressed, isRunning }) => {
  const state = engine.state();
  // The dump has drained this instance and resumes it.
  if (isRunning('heapdump') && state !== 'serving') {
    throw new Refusal('E_BUSY', 'this instance is drained for a heap dump', 'wait for its end, then ask again');
  }
  // A script may ask twice; the second answer is the same.
  if (state === 'drained') return { state, finished: 0, closed: 0, cut: 0 };
  if (state === 'draining') {
    throw new Refusal('E_BUSY', 'this instance is already draining', 'wait for it, or undo it: resume');
  }
  requireServer(engine, 'drain');
  const grant = await moduleClient.ask('drain', params, addressed);
  if ('skip' in grant) return { skipped: true, reason: grant.skip };
  try {
    const result = await engine.drain({ budgetMs: params.timeout });
    const { finished, closed, cut } = result;
    const now = engine.state();
    if (now !== 'drained') {
      throw new Refusal(
        'E_STATE',
        `the drain was undone while it ran; this instance is ${now}`,
        'to drain after all: drain',
      );
    }
    const cutRequests = requestLines(result);
    const { alone } = grant;
    const note = `no other instance listens on ${alone.join(', ')}: no process serves there until resume`;
    return {
      state: now,
      finished,
      closed,
      cut,
      ...(cutRequests.length > 0 ? { cutRequests } : {}),
      ...(alone.length > 0 ? { note } : {}),
    };
  } finally {
    grant.done();
  }
};
