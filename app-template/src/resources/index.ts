// The resources that the service needs from outside, each with open, check and close.

import { memoryNotes, type Notes } from './notes.ts';
import { postgresNotes } from './postgres.ts';
import { redisVisits } from './redis.ts';
import { memoryVisits, type Visits } from './visits.ts';

export interface Resources {
  notes: Notes;
  visits: Visits;
}

export interface Urls {
  databaseUrl?: string | undefined;
  redisUrl?: string | undefined;
}

/** The real ones where their URLs are set, an embedded default otherwise. Opened in this order, closed in reverse. */
export function createResources({ databaseUrl, redisUrl }: Urls): Resources {
  return {
    notes: databaseUrl ? postgresNotes(databaseUrl) : memoryNotes(),
    visits: redisUrl ? redisVisits(redisUrl) : memoryVisits(),
  };
}
