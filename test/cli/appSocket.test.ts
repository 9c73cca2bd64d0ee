import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connectToApp } from '../../cli/appSocket.ts';
import { releaseFolder, tempFolder } from '../../testkit/folders.ts';

describe("the socket of an app's REPL", { skip: process.platform !== 'linux' && 'takes Linux' }, () => {
  const folder = tempFolder();
  const path = (name: string) => join(folder, name);
  const own = process.getuid!();
  const server = createServer((socket) => socket.end('hello'));
  before(async () => {
    server.listen(path('app.sock'));
    await once(server, 'listening');
    symlinkSync(path('app.sock'), path('link.sock'));
    writeFileSync(path('file.sock'), '');
  });
  after(() => {
    server.close();
    releaseFolder(folder);
  });

  it('is connected to', async () => {
    let said = '';
    const socket = connectToApp(path('app.sock'), own).setEncoding('utf8');
    socket.on('data', (text) => {
      said += text;
    });
    await once(socket, 'close');
    assert.equal(said, 'hello');
  });

  it('that is a link, or a file, or not there, is an error', () => {
    for (const name of ['link.sock', 'file.sock'])
      assert.throws(() => connectToApp(path(name), own), /is not a socket of user/);
    assert.throws(() => connectToApp(path('none.sock'), own), /ENOENT/);
  });

  it("that is somebody else's is an error", { skip: own !== 0 && 'takes root' }, () => {
    linkSync(path('app.sock'), path('theirs.sock'));
    execFileSync('chown', ['65534', path('theirs.sock')]);
    assert.throws(() => connectToApp(path('theirs.sock'), 0), /is not a socket of user 0/);
  });
});
