// Asks LoopBack 3 the requests of recorded_calls.json again and prints them with its answers.
//   NODE_PATH=<folder with loopback@3 and strong-error-handler>/node_modules node record_calls.js > new.json
// Not part of the product or of the test run: only its output is. A step is [method, path, body, token,
// headers, name to keep the answer's id under, status, location, body].
'use strict';

const http = require('http');
const loopback = require('loopback');
const errorHandler = require('strong-error-handler');
const apps = require('./recorded_calls.json');

process.on('uncaughtException', () => {}); // some requests crash the original; they are recorded as -1

function serve(one) {
  const app = loopback({localRegistry: true, loadBuiltinModels: true});
  app.set('restApiRoot', '/api');
  app.set('remoting', {rest: {handleErrors: false}, json: {strict: false}, context: false});
  app.dataSource('db', {connector: 'memory'});
  const copy = JSON.parse(JSON.stringify(one));
  for (const name in copy.models) app.registry.createModel(copy.models[name]);
  for (const name in copy.config) app.model(app.registry.getModel(name), copy.config[name]);
  app.enableAuth();
  app.use('/api', loopback.rest());
  app.use(loopback.urlNotFound());
  app.use(errorHandler({debug: false, log: false}));
  return new Promise(done => { const server = app.listen(0, '127.0.0.1', () => done(server)); });
}

function call(port, method, path, body, headers) {
  return new Promise(done => {
    const data = body === null ? null : JSON.stringify(body);
    if (data !== null) headers = {...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(data)};
    const request = http.request({port, method, path: encodeURI(path), headers, timeout: 4000}, response => {
      let text = '';
      const finish = () => {
        let value = null;
        try { value = text ? JSON.parse(text) : null; } catch (e) { value = text; }
        done([response.statusCode, response.headers.location || null, value]);
      };
      if (/boundary/.test(response.headers['content-type'])) { text = '"stream"'; request.destroy(); return finish(); }
      response.on('data', chunk => { text += chunk; }).on('end', finish);
    });
    request.on('timeout', () => { request.destroy(); done([-1, null, null]); });
    request.on('error', () => done([-1, null, null]));
    if (data !== null) request.write(data);
    request.end();
  });
}

const hide = value => JSON.parse(JSON.stringify(value)
  .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<date>').replace(/\b[A-Za-z0-9]{64}\b/g, '<tok>')
  .replace(/\$2[ab]\$\d\d\$.{53}/g, '<hash>'));

async function main() {
  for (const one of apps) {
    const server = await serve(one);
    const port = server.address().port, known = {};
    const fill = text => Object.keys(known).sort((a, b) => b.length - a.length).reduce((t, name) => t.split(name).join(known[name]), text);
    for (const step of one.steps) {
      const [method, path, body, token, given, keep] = step;
      if (JSON.stringify([path, token, given]).includes('@ann') && !known['@ann'] || token === '@bob' && !known['@bob'] && !keep)
        await login(port, one, known);
      const headers = {accept: 'application/json'};
      for (const name in given) headers[name] = fill(given[name]);
      if (token !== null && token !== undefined) headers.authorization = known[token] || token;
      const [status, location, answer] = await call(port, method, fill(path), body, headers);
      if (keep && status === 200) known[keep] = answer.id;
      step.splice(6, 3, status, location, hide(answer));
    }
    server.close();
  }
  console.log(JSON.stringify(apps));
  process.exit();
}

async function login(port, one, known) {
  const path = one.models.Member ? '/api/Members/login' : '/api/Users/login';
  for (const name of ['bob', 'cid', 'ann']) {
    const [status, , token] = await call(port, 'POST', path, {email: name + '@x.yz', password: 'secret'}, {});
    if (status === 200) known['@' + name] = token.id;
    if (name !== 'ann') continue;
    known['@b64ann'] = Buffer.from(token.id).toString('base64');
    known['@annid'] = String(token.userId);
    known['@anntok'] = token.id;
  }
}

main();
