// Node's diagnostic report of this process, without its secrets.
import { writeReport } from '../../diagnostics/report.ts';
import type { Actions } from '../context.ts';
import { storeOf } from './store.ts';

export const report: Actions['report'] = (_params, { options }) => writeReport(storeOf(options));
