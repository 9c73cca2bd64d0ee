// The service's own routes: notes and visits. Replace them by yours.

import { Router } from 'express';
import type { Resources } from './resources/index.ts';

const LATEST = 20;
const LONGEST = 1_000;

/** Expects JSON bodies to be parsed. */
export function notesRouter({ notes, visits }: Resources): Router {
  const router = Router();

  router.get('/notes', async (_req, res) => {
    res.json({ pid: process.pid, notes: await notes.latest(LATEST) });
  });

  router.post('/notes', async (req, res) => {
    const text: unknown = req.body?.text;
    if (typeof text !== 'string' || text.length === 0 || text.length > LONGEST) {
      res.status(400).json({ error: `text must be a string of 1 to ${LONGEST} characters` });
      return;
    }
    res.status(201).json({ pid: process.pid, note: await notes.add(text) });
  });

  router.post('/visits', async (_req, res) => {
    res.json({ pid: process.pid, visits: await visits.count() });
  });

  return router;
}
