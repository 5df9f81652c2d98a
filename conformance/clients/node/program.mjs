// A program on @kubernetes/client-node: `node program.mjs NAMESPACE POD_NAMESPACE POD`, with $KUBECONFIG set.
// It ends with status 0 if everything was as it should be, and says what it has done.

import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import * as k8s from '@kubernetes/client-node';

const [namespace, podNamespace, podName] = process.argv.slice(2);
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);

const configMap = (name, data = {}, labels = {}) => ({ metadata: { name, labels }, data });
const names = (list) => list.items.map((item) => item.metadata.name);
const create = (body) => core.createNamespacedConfigMap({ namespace, body });

async function refused(code, promise) {
  await assert.rejects(promise, (error) => error.code === code);
}

async function text(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece))).toString();
}

const steps = {
  async 'an object from creation to deletion'() {
    const made = await create(configMap('a', { x: '1' }));
    assert.ok(made.metadata.creationTimestamp instanceof Date);
    const patched = await core.patchNamespacedConfigMap(
      { name: 'a', namespace, body: { data: { y: '2' } } },
      k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.StrategicMergePatch),
    );
    assert.deepEqual(patched.data, { x: '1', y: '2' });
    await refused(409, core.replaceNamespacedConfigMap({ name: 'a', namespace, body: made }));
    const replaced = await core.replaceNamespacedConfigMap({
      name: 'a',
      namespace,
      body: { ...patched, data: { z: '3' } },
    });
    assert.deepEqual(replaced.data, { z: '3' });
    const operations = [{ op: 'add', path: '/data/w', value: '4' }];
    const operated = await core.patchNamespacedConfigMap({ name: 'a', namespace, body: operations });
    assert.deepEqual(operated.data, { w: '4', z: '3' });
    await core.deleteNamespacedConfigMap({ name: 'a', namespace });
    await refused(404, core.readNamespacedConfigMap({ name: 'a', namespace }));
  },

  async 'lists by selectors and in pages'() {
    for (let number = 0; number < 5; number++) {
      await create(configMap(`n-${number}`, {}, { run: 'pages', parity: number % 2 ? 'odd' : 'even' }));
    }
    const odd = await core.listNamespacedConfigMap({ namespace, labelSelector: 'run=pages,parity=odd' });
    assert.deepEqual(names(odd), ['n-1', 'n-3']);
    const found = [];
    let _continue;
    do {
      const page = await core.listNamespacedConfigMap({
        namespace,
        labelSelector: 'run=pages',
        limit: 2,
        _continue,
      });
      found.push(...names(page));
      _continue = page.metadata._continue;
    } while (_continue);
    assert.deepEqual(found, ['n-0', 'n-1', 'n-2', 'n-3', 'n-4']);
    await core.deleteCollectionNamespacedConfigMap({ namespace, labelSelector: 'run=pages' });
  },

  async 'a watch'() {
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const seen = [];
    await create(configMap('watched', {}, { run: 'watch' }));
    await new Promise((resolve, reject) => {
      const watching = new k8s.Watch(config).watch(
        path,
        { labelSelector: 'run=watch' },
        async (type, item) => {
          seen.push([type, item.metadata.name]);
          if (type === 'ADDED') await core.deleteNamespacedConfigMap({ name: 'watched', namespace });
          if (type === 'DELETED') (await watching).abort();
        },
        (error) => (error && error.name !== 'AbortError' ? reject(error) : resolve()),
      );
    });
    assert.deepEqual(seen, [['ADDED', 'watched'], ['DELETED', 'watched']]);
  },

  async 'an informer'() {
    const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: 'run=informer' });
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    const informer = k8s.makeInformer(config, path, list, 'run=informer');
    const next = (verb) => new Promise((resolve) => informer.on(verb, (item) => resolve(item.metadata.name)));
    const added = next('add');
    const removed = next('delete');
    await informer.start();
    await create(configMap('informed', {}, { run: 'informer' }));
    assert.equal(await added, 'informed');
    assert.equal(informer.list(namespace).length, 1);
    await core.deleteNamespacedConfigMap({ name: 'informed', namespace });
    assert.equal(await removed, 'informed');
    assert.equal(informer.list(namespace).length, 0);
    await informer.stop();
  },

  async 'objects of any kind'() {
    const objects = k8s.KubernetesObjectApi.makeApiClient(config);
    const lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'any', namespace },
      spec: { holderIdentity: 'me' },
    };
    assert.equal((await objects.create(lease)).spec.holderIdentity, 'me');
    assert.equal((await objects.read(lease)).metadata.name, 'any');
    await objects.delete(lease);
  },

  async 'logs'() {
    const out = new PassThrough();
    await new k8s.Log(config).log(podNamespace, podName, 'main', out, { follow: false });
    assert.equal(await text(out), 'first\nsecond\n');
  },

  async 'exec'() {
    const [out, error] = [new PassThrough(), new PassThrough()];
    const command = ['sh', '-c', 'read line; echo got $line; echo trouble >&2; exit 3'];
    const input = Readable.from(['a word\n']);
    const status = await new Promise((resolve, reject) => {
      new k8s.Exec(config)
        .exec(podNamespace, podName, 'main', command, out, error, input, false, resolve)
        .catch(reject);
    });
    out.end();
    error.end();
    assert.equal(await text(out), 'got a word\n');
    assert.equal(await text(error), 'trouble\n');
    assert.equal(status.status, 'Failure');
    assert.deepEqual(status.details.causes, [{ reason: 'ExitCode', message: '3' }]);
  },
};

for (const [name, step] of Object.entries(steps)) {
  try {
    await step();
  } catch (error) {
    console.log(`failed: ${name}\n${error.stack}`);
    process.exit(1);
  }
  console.log(`done: ${name}`);
}
process.exit(0);
