// Puts a drained instance back into service: it listens again as it did before.

import { Refusal } from '../../contract/errors.ts';
import type { Actions } from '../context.ts';
import { requireServer } from './server.ts';

export const resume: Actions['resume'] = async (_params, { engine }) => {
  if (engine.state() === 'no-server') requireServer(engine, 'resume');
  try {
    const addresses = await engine.resume();
    return { state: engine.state(), addresses };
  } catch (error) {
    throw new Refusal(
      'E_STATE',
      `could not listen again: ${(error as Error).message}`,
      'free the address and send resume again, or restart this instance: pm2 restart ID',
    );
  }
};
