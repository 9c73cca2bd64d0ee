// Does this process leak, how fast, and which lines allocate the memory that stays?
import { PARAMS } from '../../contract/protocol.ts';
import { reportLeaks } from '../../diagnostics/leakReport.ts';
import type { Actions } from '../context.ts';
import { storeOf } from './store.ts';

const LONGEST_SECONDS = PARAMS['leak-report'].seconds?.max ?? Number.POSITIVE_INFINITY;

export const leakReport: Actions['leak-report'] = async ({ seconds }, context) => ({
  ...(await reportLeaks(
    storeOf(context.options),
    { seconds: Number(seconds), longestSeconds: LONGEST_SECONDS },
    context,
  )),
});
