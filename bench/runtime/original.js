// The original on an app's folder: node original.js FOLDER PORT. Tables are made anew; prints "ready".
'use strict';

const loopback = require('loopback');
const boot = require('loopback-boot');

const app = loopback();
boot(app, process.argv[2], (error) => {
  if (error) throw error;
  app.enableAuth();
  app.get('/', app.loopback.status());
  const listen = () => app.listen(Number(process.argv[3]), '127.0.0.1', () => console.log('ready'));
  const source = app.dataSources.db;
  if (source.connector.name === 'memory') listen();
  else source.automigrate((problem) => { if (problem) throw problem; listen(); });
});
