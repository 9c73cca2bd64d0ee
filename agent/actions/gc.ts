// A full garbage collection of this process, with memory before and after.
import { collectGarbage } from '../../diagnostics/gc.ts';
import type { Actions } from '../context.ts';

export const gc: Actions['gc'] = async () => ({ ...(await collectGarbage()) });
