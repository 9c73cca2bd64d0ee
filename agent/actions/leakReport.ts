// Does this process leak, how fast, and which lines allocate the memory that stays?
import { action } from '../../contract/actions/leakReport.ts';
import { reportLeaks } from '../../diagnostics/leakReport.ts';
import type { Actions } from '../context.ts';
import { storeOf } from './store.ts';

const LONGEST_SECONDS = action.params.seconds.max;

export const leakReport: Actions['leak-report'] = ({ seconds }, context) =>
  reportLeaks(storeOf(context.options), { seconds, longestSeconds: LONGEST_SECONDS }, context);
