// Asks LoopBack 3 what it answers to every shape of access control entry, and prints the table as JSON.
//   NODE_PATH=<folder with loopback@3 installed>/node_modules node record_acl_table.js > acl_table.json
// Not part of the product or of the test run: only its output is.
'use strict';

const loopback = require('loopback');

const app = loopback({localRegistry: true, loadBuiltinModels: true});
app.dataSource('db', {connector: 'memory'});
for (const name of ['User', 'AccessToken', 'Role', 'RoleMapping', 'ACL'])
  app.model(app.registry.getModel(name), {dataSource: 'db', public: name === 'User'});
const Thing = app.registry.createModel('Thing', {name: 'string'}, {
  relations: {owner: {type: 'belongsTo', model: 'User', foreignKey: 'userId'}},
});
app.model(Thing, {dataSource: 'db'});
Thing.poke = cb => cb();
Thing.remoteMethod('poke', {http: {verb: 'post'}});
Thing.pull = cb => cb();
Thing.remoteMethod('pull', {http: {verb: 'post'}, accessType: 'REPLICATE'});
Thing.scoped = cb => cb();
Thing.remoteMethod('scoped', {http: {verb: 'post'}, accessScopes: ['special']});
app.enableAuth();

const PRINCIPALS = [
  ['ROLE', '$everyone'], ['ROLE', '$authenticated'], ['ROLE', '$unauthenticated'], ['ROLE', '$owner'],
  ['ROLE', '$related'], ['ROLE', 'admin'], ['USER', '1'], ['APP', 'app1'], ['Other', '1'],
];
const ACCESS = [undefined, '*', 'READ', 'WRITE', 'EXECUTE', 'REPLICATE', 'DELETE'];
const PERMISSIONS = ['ALLOW', 'DENY', 'AUDIT', 'ALARM', 'DEFAULT', undefined, 'DENIED'];
const METHODS = {
  find: 'find', findById: 'findById', create: 'create', deleteById: 'deleteById', poke: 'poke', pull: 'pull',
  patchAttributes: 'prototype.patchAttributes', patchOrCreate: 'patchOrCreate', scoped: 'scoped',
};
const properties = method => [undefined, '*', method, [method, 'x'], ['x', 'y'], 'other', 'upsert', 'updateAttributes'];

let seed = 20;
const random = n => (seed = (seed * 1103515245 + 12345) % 2147483648, Math.floor(seed / 65536) % n);
const pick = list => list[random(list.length)];

function entry(method, words) {
  const [principalType, principalId] = pick(PRINCIPALS);
  const acl = {principalType, principalId, permission: pick(words)};
  const accessType = pick(ACCESS), property = pick(properties(method));
  if (accessType !== undefined) acl.accessType = accessType;
  if (property !== undefined) acl.property = property;
  if (acl.permission === undefined) delete acl.permission;
  return acl;
}

function* cases() {
  // Every single entry for one method, then random sets of two to five, rows of the ACL model among them.
  for (const [principalType, principalId] of PRINCIPALS)
    for (const accessType of ACCESS)
      for (const property of properties('find'))
        for (const permission of PERMISSIONS)
          if (random(6) === 0 || permission === 'DENY')
            yield {method: 'find', acls: [clean({principalType, principalId, accessType, property, permission})], rows: []};
  for (let i = 0; i < 1200; i++) {
    const method = pick(Object.keys(METHODS));
    const words = i % 4 ? ['ALLOW', 'DENY'] : PERMISSIONS;
    const acls = [], rows = [];
    for (let n = 1 + random(5); n > 0; n--) acls.push(entry(method, words));
    if (i % 3 === 0) for (let n = 1 + random(2); n > 0; n--) {
      const row = Object.assign(entry(method, ['ALLOW', 'DENY']), {model: pick(['Thing', '*', 'Other'])});
      if (Array.isArray(row.property)) row.property = row.property[0];
      // Rows are matched by equality: without a property or an access type the query never finds them.
      rows.push(row);
    }
    yield clean({method, acls, rows, defaultPermission: pick([undefined, undefined, 'DENY', 'ALLOW', 'AUDIT'])});
  }
}

const clean = value => JSON.parse(JSON.stringify(value));

async function main() {
  const M = app.models;
  for (const name of ['user', 'owner', 'admin'])
    await M.User.create({username: name, email: name + '@example.com', password: 'secret'});
  const role = await M.Role.create({name: 'admin'});
  await role.principals.create({principalType: 'USER', principalId: '3'});
  const thing = await Thing.create({name: 't', userId: 2});
  const tokens = {anonymous: null};
  for (const [name, id] of [['user', 1], ['owner', 2], ['admin', 3]])
    tokens[name] = await M.AccessToken.create({userId: id, ttl: 1000});
  tokens.scoped = await M.AccessToken.create({userId: 1, ttl: 1000, scopes: ['special']});
  tokens.app = new M.AccessToken({id: 'a', ttl: 1000});
  tokens.app.appId = 'app1';
  const table = [];
  for (const c of cases()) {
    Thing.settings.acls = c.acls;
    Thing.settings.defaultPermission = c.defaultPermission;
    await M.ACL.destroyAll();
    for (const row of c.rows) await M.ACL.create(row);
    const shared = Thing.sharedClass.findMethodByName(METHODS[c.method]);
    const answers = {};
    for (const name of Object.keys(tokens)) {
      const remotingContext = {args: {options: {}}};
      const result = await M.ACL.checkAccessForContext({
        accessToken: tokens[name] || M.AccessToken.ANONYMOUS, model: Thing, property: shared.name,
        method: shared.name, sharedMethod: shared, modelId: thing.id,
        accessType: Thing._getAccessTypeForMethod(shared), remotingContext,
      });
      answers[name] = [result.permission, ...Object.keys(remotingContext.args.options.authorizedRoles || {}).sort()].join(" ");
    }
    table.push(Object.assign(c, {answers}));
  }
  const methods = {};
  for (const name of Object.keys(METHODS)) {
    const shared = Thing.sharedClass.findMethodByName(METHODS[name]);
    methods[name] = clean({aliases: shared.aliases, accessType: Thing._getAccessTypeForMethod(shared),
      accessScopes: shared.accessScopes});
  }
  console.log('{"methods": ' + JSON.stringify(methods) + ',\n"cases": [\n' +
    table.map(row => JSON.stringify(row)).join(',\n') + '\n]}');
}

main().catch(error => { console.error(error); process.exit(1); });
