import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  AGENT_MESSAGE,
  type AgentMessage,
  type Grant,
  MODULE_CMD,
  MODULE_TOPIC,
} from '../../contract/agentMessages.ts';
import { type AgentProcess, startAgentProcess } from '../../testkit/agentProcess.ts';
import { app, releaseFolder, tempFolder } from '../../testkit/folders.ts';
import { freePort } from '../../testkit/wait-for.ts';

interface Dump {
  ok: boolean;
  file: string;
}

describe('a dump that somebody else has compressed', () => {
  const stateDir = tempFolder();
  let target: AgentProcess;
  /** What is put into the compressed twin of a dump. */
  let twin: (dump: Buffer) => Buffer;
  before(async () => {
    target = await startAgentProcess(app('http.cjs'), { stateDir, env: { PORT: String(await freePort()) } });
    const tell = (id: string, verdict: Grant) =>
      target.child.send({ cmd: MODULE_CMD, topic: MODULE_TOPIC, data: { kind: 'verdict', id, verdict } });
    const files = { from: '', to: '' };
    target.child.on('message', ({ type, data }: { type: string; data: AgentMessage }) => {
      if (type !== AGENT_MESSAGE) return;
      if (data.kind === 'ask') tell(data.id, { is: 'go', drain: { may: false, reason: 'alone' } });
      if (data.kind === 'compress') Object.assign(files, data);
      if (data.kind === 'compress-end') {
        writeFileSync(files.to, twin(readFileSync(files.from)));
        tell(data.id, { is: 'go' });
      }
    });
  });
  after(() => {
    target.kill();
    releaseFolder(stateDir);
  });

  const dumped = async () => {
    const reply = await target.run<Dump>('heapdump', { gzip: true, force: true, timeout: 0 });
    assert.equal(reply.ok, true, JSON.stringify(reply));
    assert.equal(basename(dirname(reply.file)), 'dumps');
    return gunzipSync(readFileSync(reply.file)).toString();
  };

  it('is taken when it is as large inside as the dump', async () => {
    twin = (dump) => gzipSync(Buffer.concat([Buffer.from(' '), dump.subarray(1)]));
    const text = await dumped();
    assert.match(text, /^ "snapshot"/);
  });

  it('and is compressed once more when it is not', async () => {
    for (const wrong of [(dump: Buffer) => gzipSync(dump.subarray(0, -1)), () => gzipSync('')]) {
      twin = wrong;
      assert.deepEqual(Object.keys(JSON.parse(await dumped()) as object).slice(0, 2), ['snapshot', 'nodes']);
    }
  });
});
