import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureTemplateBuilt, TEMPLATE } from '../../testkit/template.ts';
import { freePort, waitFor, within } from '../../testkit/wait-for.ts';
import { type Database, databasesMissing, startPostgres, startRedis } from '../support/databases.ts';

interface Resource {
  name: string;
  open?(): Promise<void>;
  check?(): Promise<void>;
  close?(): Promise<void>;
}
interface Notes extends Resource {
  add(text: string): Promise<{ id: string; text: string; createdAt: string }>;
  latest(count: number): Promise<{ text: string }[]>;
}
interface Visits extends Resource {
  count(): Promise<number>;
}

const CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'app-template'";

describe('the resources of app-template, on real servers', { skip: databasesMissing() }, () => {
  let createResources: (urls: { databaseUrl?: string; redisUrl?: string }) => { notes: Notes; visits: Visits };
  let postgres: Database;
  let redis: Database;

  before(async () => {
    [postgres, redis] = await Promise.all([startPostgres(), startRedis(), ensureTemplateBuilt()]);
    ({ createResources } = await import(join(TEMPLATE, 'dist', 'resources', 'index.js')));
  });
  after(async () => {
    await Promise.all([postgres?.remove(), redis?.remove()]);
  });

  const connections = async () => [
    Number((await postgres.ask(CONNECTED))[0]),
    (await redis.ask('CLIENT LIST')).filter((line) => line.includes('name=app-template')).length,
  ];
  const untilNobodyIsConnected = () =>
    waitFor(async () => (await connections()).every((count) => count === 0), { what: 'no connection left' });
  const both = () => createResources({ databaseUrl: postgres.url, redisUrl: redis.url });

  it('keep what clients send, and leave no connection behind', async () => {
    const { notes, visits } = both();
    await notes.open?.();
    await visits.open?.();
    const note = await notes.add('first');
    assert.equal((await notes.latest(1))[0]?.text, 'first');
    assert.ok(note.id);
    assert.match(note.createdAt, /^\d{4}-\d\d-\d\dT/);
    assert.equal(await visits.count(), 1);
    assert.equal(await visits.count(), 2);
    assert.deepEqual(await connections(), [1, 1]);
    await Promise.all([notes.check?.(), visits.check?.()]);
    await Promise.all([notes.close?.(), visits.close?.()]);
    await untilNobodyIsConnected();
  });

  it('open in many workers at once, with no table there yet', async () => {
    await postgres.ask('DROP TABLE notes');
    const workers = Array.from({ length: 8 }, both);
    await Promise.all(workers.map(({ notes }) => notes.open?.()));
    await Promise.all(workers.map(({ notes }) => notes.close?.()));
  });

  it('answer every query in flight before they close, also those that wait for a connection', async () => {
    const { notes, visits } = both();
    await notes.open?.();
    await visits.open?.();
    await postgres.ask('TRUNCATE notes');
    await postgres.ask(
      `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.2); RETURN NEW; END'`,
    );
    await postgres.ask('CREATE TRIGGER slow BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION slow()');
    await redis.ask('CLIENT PAUSE 500 WRITE');
    const adding = Array.from({ length: 25 }, (_, n) => notes.add(`note ${n}`));
    const counting = Array.from({ length: 25 }, () => visits.count());
    await Promise.all([notes.close?.(), visits.close?.()]);
    assert.equal(new Set((await Promise.all(adding)).map(({ id }) => id)).size, 25);
    assert.equal(new Set(await Promise.all(counting)).size, 25);
    assert.deepEqual(await postgres.ask('SELECT count(*), count(DISTINCT text) FROM notes'), ['25|25']);
    await untilNobodyIsConnected();
    await postgres.ask('DROP FUNCTION slow CASCADE');
  });

  it('fail to open with a plain reason where nobody listens, and try no further', async () => {
    const port = await freePort();
    const nowhere = createResources({
      databaseUrl: `postgres://app:secret@127.0.0.1:${port}/app`,
      redisUrl: `redis://:secret@127.0.0.1:${port}`,
    });
    for (const resource of [nowhere.notes, nowhere.visits])
      await assert.rejects(within(10_000, 'open', resource.open!()), (error: Error) => {
        assert.match(error.message, /ECONNREFUSED/, resource.name);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
    await within(5_000, 'closing', Promise.all([nowhere.notes.close?.(), nowhere.visits.close?.()]));
  });

  it('fail their check while the server is away, and are well again when it is back', async () => {
    const { notes, visits } = both();
    await notes.open?.();
    await visits.open?.();
    await Promise.all([postgres.stop(), redis.stop()]);
    for (const resource of [notes, visits])
      await assert.rejects(within(10_000, 'the check', resource.check!()), resource.name);
    await assert.rejects(within(10_000, 'a note', notes.add('lost')));
    await assert.rejects(within(10_000, 'a visit', visits.count()));
    await sleep(200);
    await Promise.all([postgres.start(), redis.start()]);
    for (const resource of [notes, visits])
      await waitFor(() => resource.check!().then(() => true), { what: `${resource.name} to be well again` });
    await notes.add('found');
    await visits.count();
    await Promise.all([notes.close?.(), visits.close?.()]);
    await untilNobodyIsConnected();
  });

  it('do nothing twice when the connection is lost under way', async () => {
    const { notes, visits } = both();
    await notes.open?.();
    await visits.open?.();
    await redis.ask('SET app-template:visits 0');
    await redis.ask('CLIENT PAUSE 300 WRITE');
    const outcomes = Promise.allSettled([
      ...Array.from({ length: 5 }, () => visits.count()),
      ...Array.from({ length: 5 }, (_, n) => notes.add(`once ${n}`)),
    ]);
    await redis.ask('CLIENT KILL TYPE normal SKIPME yes');
    await postgres.ask(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'app-template'",
    );
    const counted = (await outcomes).slice(0, 5).filter(({ status }) => status === 'fulfilled').length;
    await waitFor(() => visits.check!().then(() => true), { what: 'redis to be connected again' });
    const total = Number((await redis.ask('GET app-template:visits'))[0]);
    assert.ok(total <= 5 && total >= counted, `${total} counted, ${counted} answered`);
    assert.deepEqual(
      await postgres.ask("SELECT text FROM notes WHERE text LIKE 'once%' GROUP BY 1 HAVING count(*) > 1"),
      [],
    );
    await Promise.all([notes.close?.(), visits.close?.()]);
    await untilNobodyIsConnected();
  });
});

describe('the resources of app-template without any server', () => {
  it('are embedded: they need nothing, and count for themselves', async () => {
    await ensureTemplateBuilt();
    const { createResources } = await import(join(TEMPLATE, 'dist', 'resources', 'index.js'));
    const { notes, visits } = createResources({}) as { notes: Notes; visits: Visits };
    for (let n = 0; n < 1_100; n++) await notes.add(`note ${n}`);
    const latest = await notes.latest(5_000);
    assert.equal(latest.length, 1_000, 'memory is bounded');
    assert.equal(latest[0]?.text, 'note 1099');
    assert.equal(await visits.count(), 1);
  });
});
