// Bundles Argo CD's login page: `node build.mjs SOURCES OUTPUT`, with the folder `ui/src` of Argo CD's Go module.
import {cpSync, mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';

import {build} from 'esbuild';
import {compile} from 'sass';

const [sources, output] = process.argv.slice(2);
const own = import.meta.dirname;
const modules = join(own, 'node_modules');

const plugin = {
    name: 'argo-cd-login',
    setup(bundle) {
        bundle.onResolve({filter: /^argo-ui$/}, () => ({path: join(own, 'argo-ui.ts')}));
        bundle.onResolve({filter: /^argo-cd\//}, ({path}) => bundle.resolve('./' + path.slice(8), {resolveDir: join(sources, 'app'), kind: 'import-statement'}));
        // the whole list of services imports every page of the web UI
        bundle.onResolve({filter: /shared\/services$/}, () => ({path: join(own, 'services.ts')}));
        bundle.onResolve({filter: /^path$/}, () => ({path: join(modules, 'path-browserify/index.js')}));
        // TypeScript calls a CommonJS module that was imported as a namespace; esbuild calls only a required one
        bundle.onLoad({filter: /\.tsx?$/}, ({path}) => ({
            contents: readFileSync(path, 'utf8').replace(/^import \* as (\w+) from '([^.'][^']*)';/gm, "import $1 = require('$2');"),
            loader: 'tsx'
        }));
        bundle.onLoad({filter: /\.scss$/}, ({path}) => ({
            contents: compile(path, {loadPaths: [own], quietDeps: true, logger: {warn() {}}}).css,
            loader: 'css',
            resolveDir: own
        }));
    }
};

mkdirSync(output, {recursive: true});
await build({
    entryPoints: [join(own, 'main.tsx')],
    outdir: output,
    bundle: true,
    minify: true,
    target: 'es2020',
    logLevel: 'error',
    nodePaths: [modules],
    external: ['assets/*'],
    define: {'process.env.NODE_ENV': '"production"', global: 'window'},
    plugins: [plugin]
});
for (const assets of [join(modules, 'argo-ui/src/assets'), join(sources, 'assets')]) {
    cpSync(assets, join(output, 'assets'), {recursive: true, dereference: true});
}
