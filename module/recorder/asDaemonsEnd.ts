// A daemon that is killed first deletes its processes one after the other, and says so to nobody.
import type { ExitRecord } from '../../contract/exits.ts';

/** The record of a delete that was part of the daemon's end. @param how it is known, for a person */
export function asDaemonsEnd(record: ExitRecord, how: string): ExitRecord {
  const { followed: _deleted, asked, ...rest } = record;
  const ended = asked === undefined ? { cause: 'daemon-ended' as const } : { asked: 'daemon-ended' as const };
  return {
    ...rest,
    ...ended,
    certainty: 'sure',
    by: { who: 'unknown' },
    headline:
      asked === undefined
        ? 'the PM2 daemon ended, and its processes with it'
        : `${record.headline}, when the PM2 daemon ended`,
    evidence: [how, ...record.evidence],
  };
}
