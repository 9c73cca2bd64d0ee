// Shows which functions allocate the memory of this process.
import { profileHeap } from '../../diagnostics/heapProfile.ts';
import type { Actions } from '../context.ts';
import { storeOf } from './store.ts';

export const heapProfile: Actions['heap-profile'] = ({ seconds, garbage }, context) =>
  profileHeap(storeOf(context.options), { seconds, garbage }, context);
