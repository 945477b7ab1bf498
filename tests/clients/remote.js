// A LoopBack 3 client app whose models live in a tenant: node remote.js BASE_URL [ID_TYPE].
// Prints {"name": true | "what went wrong"} for each check.
'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const util = require('util');
const loopback = require('loopback');

const app = loopback({localRegistry: true, loadBuiltinModels: true});
const remote = app.dataSource('remote', {connector: require('loopback-connector-remote'), url: process.argv[2]});
const models = path.join(__dirname, 'app', 'models');
for (const file of fs.readdirSync(models)) {
  const definition = JSON.parse(fs.readFileSync(path.join(models, file)));
  // A client must know the ids' type where they are not numbers: MongoDB's are texts to it.
  if (process.argv[3]) definition.properties.id = {type: process.argv[3], id: true, generated: true};
  app.registry.createModel(definition);
}
for (const name of ['Customer', 'Order', 'Tag']) app.model(app.registry.getModel(name), {dataSource: 'remote'});
const {Customer, Order} = app.models;

const checks = {};
const check = (name, run) => { checks[name] = run; };
const names = (items) => items.map((item) => item.name);
// Relations and scopes are methods of remote objects that take callbacks only.
const called = (method) => util.promisify(method)();
const fails = async (promise, test) => {
  try {
    await promise;
  } catch (error) {
    return test(error);
  }
  throw new Error('it should have failed');
};

const missing = process.argv[3] ? 'f'.repeat(24) : '999999';
let ann;
check('create', async () => {
  ann = await Customer.create({name: 'Ann', age: 30, since: new Date('2020-01-02T03:04:05Z')});
  assert(ann.id);
  for (const [name, age] of [['Bob', 17], ['Cid', 40], ['Dee', 25]]) await Customer.create({name, age});
});
check('dates', async () => {
  const found = await Customer.findById(ann.id);
  assert(found.since instanceof Date);
  assert.strictEqual(found.since.toISOString(), '2020-01-02T03:04:05.000Z');
});
check('find with where', async () => {
  const found = await Customer.find({where: {age: {gt: 20}}, order: 'age DESC'});
  assert.deepStrictEqual(names(found), ['Cid', 'Ann', 'Dee']);
});
check('find with or and inq', async () => {
  const where = {or: [{name: {inq: ['Ann', 'Dee']}}, {age: {lt: 18}}]};
  assert.deepStrictEqual(names(await Customer.find({where, order: 'name'})), ['Ann', 'Bob', 'Dee']);
});
check('limit, skip and order', async () => {
  assert.deepStrictEqual(names(await Customer.find({order: 'name', limit: 2, skip: 1})), ['Bob', 'Cid']);
});
check('fields', async () => {
  const [found] = await Customer.find({where: {name: 'Bob'}, fields: ['name']});
  assert.deepStrictEqual(JSON.parse(JSON.stringify(found)), {name: 'Bob'});
});
check('findOne', async () => {
  assert.strictEqual((await Customer.findOne({where: {name: 'Cid'}})).age, 40);
});
check('findById of a missing id', async () => {
  assert.strictEqual(await Customer.findById(missing), null); // the connector turns the 404 into null
});
check('exists', async () => {
  assert.strictEqual(await Customer.exists(ann.id), true);
  assert.strictEqual(await Customer.exists(missing), false);
});
check('count', async () => {
  assert.strictEqual(await Customer.count(), 4);
  assert.strictEqual(await Customer.count({age: {lt: 30}}), 2);
});
check('patch', async () => {
  const found = await Customer.findById(ann.id);
  await found.patchAttributes({age: 31});
  assert.strictEqual((await Customer.findById(ann.id)).age, 31);
});
check('replace', async () => {
  const bob = await Customer.findOne({where: {name: 'Bob'}});
  await Customer.replaceById(bob.id, {name: 'Bobby', age: 18});
  assert.strictEqual((await Customer.findById(bob.id)).name, 'Bobby');
});
check('patchOrCreate', async () => {
  const changed = await Customer.patchOrCreate({id: ann.id, name: 'Ann B'});
  assert.strictEqual(changed.name, 'Ann B');
});
check('updateAll', async () => {
  await Customer.updateAll({name: 'Dee'}, {age: 26});
  assert.strictEqual((await Customer.findOne({where: {name: 'Dee'}})).age, 26);
});
check('hasMany create and list', async () => {
  const found = await Customer.findById(ann.id);
  await found.orders.create({item: 'pen'});
  await found.orders.create({item: 'ink', quantity: 3});
  const orders = await called((callback) => found.orders({order: 'item'}, callback));
  assert.deepStrictEqual(orders.map((order) => [order.item, order.quantity]), [['ink', 3], ['pen', 1]]);
});
check('belongsTo', async () => {
  const order = await Order.findOne({where: {item: 'pen'}});
  assert.strictEqual((await called((callback) => order.customer(callback))).name, 'Ann B');
});
check('include', async () => {
  const found = await Customer.find({where: {name: 'Ann B'}, include: 'orders'});
  assert.deepStrictEqual(found[0].toJSON().orders.map((order) => order.item).sort(), ['ink', 'pen']);
});
check('include with scope', async () => {
  const include = {relation: 'orders', scope: {where: {quantity: 3}, fields: ['item', 'customerId']}};
  const [found] = await Customer.find({where: {name: 'Ann B'}, include});
  assert.deepStrictEqual(found.toJSON().orders.map((order) => order.item), ['ink']);
});
check('nested include', async () => {
  const [order] = await Order.find({where: {item: 'pen'}, include: {customer: 'orders'}});
  assert.strictEqual(order.toJSON().customer.orders.length, 2);
});
check('named scope', async () => {
  const adults = await called((callback) => Customer.adults({order: 'name'}, callback));
  assert.deepStrictEqual(names(adults), ['Ann B', 'Bobby', 'Cid', 'Dee']);
});
check('hasAndBelongsToMany create', async () => {
  const found = await Customer.findById(ann.id);
  assert.strictEqual((await found.tags.create({label: 'vip'})).label, 'vip');
});
check('validation error', () => fails(Customer.create({age: 1}), (error) => {
  assert.strictEqual(error.statusCode, 422);
  assert.strictEqual(error.name, 'ValidationError');
  assert.deepStrictEqual(error.details.codes, {name: ['presence']});
}));
check('delete', async () => {
  const order = await Order.findOne({where: {item: 'ink'}});
  await Order.deleteById(order.id);
  assert.strictEqual(await Order.count({item: 'ink'}), 0);
});

(async () => {
  await new Promise((resolve) => (remote.connected ? resolve() : remote.once('connected', resolve)));
  const results = {};
  for (const [name, run] of Object.entries(checks)) {
    try {
      await run();
      results[name] = true;
    } catch (error) {
      results[name] = String(error.stack || error).slice(0, 600);
    }
  }
  console.log(JSON.stringify(results));
  process.exit(0);
})();
