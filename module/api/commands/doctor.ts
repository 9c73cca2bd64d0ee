// `doctor`: says what is wrong, and which line to type.
import type { DoctorReply } from '../../../contract/commandMessages.ts';
import { askDoctor, type DoctorParts } from '../../operations/doctor/gather.ts';

export interface DoctorCommandParts {
  /** What the checks look at. */
  examined: DoctorParts;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
}

export async function doctor({ examined, refresh }: DoctorCommandParts): Promise<DoctorReply> {
  await refresh();
  return askDoctor(examined);
}
