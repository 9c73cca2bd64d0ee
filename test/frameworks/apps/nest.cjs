// NestJS, as its documentation starts one, with its decorators as the compiler would call them.
require('reflect-metadata');
const { setTimeout: sleep } = require('node:timers/promises');
const { Controller, Get, Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');

class AppController {
  async pid() {
    await sleep(5);
    return { pid: process.pid };
  }
}
const { prototype } = AppController;
Get()(prototype, 'pid', Object.getOwnPropertyDescriptor(prototype, 'pid'));
Controller()(AppController);

class AppModule {}
Module({ controllers: [AppController] })(AppModule);

NestFactory.create(AppModule, { logger: false }).then((app) => app.listen(process.env.PORT));
