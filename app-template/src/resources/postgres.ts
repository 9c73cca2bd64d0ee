// Notes in PostgreSQL, over a pool of connections that each worker has for itself.

import pg from 'pg';
import type { Note, Notes } from './notes.ts';

/** Connections of one worker; all workers together, and those that a reload starts beside them, must fit into the server's
 * max_connections (100 unless set). */
const CONNECTIONS = 10;
/** A server that does not answer within this time is down. */
const CONNECT_TIMEOUT_MS = 3_000;
/** The server gives up a query that takes longer: below kill_timeout, so that a worker that leaves has all its
 * answers, and one that was killed leaves no query running for longer than this. */
const STATEMENT_TIMEOUT_MS = 5_000;
/** A query without any answer in this time has lost its server: it fails, and the pool closes its connection. */
const QUERY_TIMEOUT_MS = 5_500;

/** Several workers start at once: the lock lets one of them create the table while the others wait. */
const CREATE_TABLE = `
  BEGIN;
  SELECT pg_advisory_xact_lock(hashtext('notes'));
  CREATE TABLE IF NOT EXISTS notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
  );
  COMMIT`;

/** A row as pg gives it: a bigint is a string. */
interface Row {
  id: string;
  text: string;
  created_at: Date;
}

/** @param url `postgres://user:password@host:5432/database` */
export function postgresNotes(url: string): Notes {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'app-template',
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
  });
  // An idle connection broke: the pool has dropped it, and opens another for the next query. Without a listener it would be
  // an uncaught error.
  pool.on('error', () => {});
  const inFlight = new Set<Promise<unknown>>();

  /** A query that fails is not sent again: the server may have run it, and must not run it twice. */
  async function query(text: string, values: unknown[] = []): Promise<Row[]> {
    const answer = pool.query<Row>(text, values);
    inFlight.add(answer);
    try {
      return (await answer).rows;
    } finally {
      inFlight.delete(answer);
    }
  }

  return {
    name: 'postgres',
    async open() {
      await query(CREATE_TABLE);
    },
    async check() {
      await query('SELECT 1');
    },
    async close() {
      // A pool that ends drops the queries that wait for a connection, so wait for those first.
      while (inFlight.size > 0) await Promise.allSettled(inFlight);
      await pool.end();
    },
    async add(text) {
      const [row] = await query('INSERT INTO notes (text) VALUES ($1) RETURNING *', [text]);
      if (row === undefined) throw new Error('INSERT returned no row');
      return noteOf(row);
    },
    async latest(count) {
      return (await query('SELECT * FROM notes ORDER BY id DESC LIMIT $1', [count])).map(noteOf);
    },
  };
}

function noteOf({ id, text, created_at }: Row): Note {
  return { id, text, createdAt: created_at.toISOString() };
}
