// Argo CD's login page without Argo CD's other pages: after the login, a text replaces the list of Applications.
import * as React from 'react';
import {createRoot} from 'react-dom/client';
import {createBrowserHistory} from 'history';
import {Login} from 'argo-cd/login/components/login';
import {Context} from 'argo-cd/shared/context';
import requests from 'argo-cd/shared/services/requests';
import {services} from './services';

const base = document.querySelector('base')?.getAttribute('href') || '/';
const history = createBrowserHistory({basename: base});
requests.setBaseHRef(base);

function goto(path: string) {
    if (path !== '.') {
        history.replace(path);
    }
}

function LoggedIn({user}: {user: string}) {
    return (
        <div style={{padding: '2em', lineHeight: 1.6}}>
            <p>
                You are logged in to Argo CD as <b>{user}</b>. This rehearsal built only the login page of Argo CD's web UI. To list the Applications, run:
            </p>
            <pre>./homelab rehearse kubectl -- get applications -A</pre>
        </div>
    );
}

function App() {
    const [path, setPath] = React.useState(history.location.pathname);
    const [user, setUser] = React.useState<string>();
    React.useEffect(() => history.listen((location: {pathname: string}) => setPath(location.pathname)), []);
    React.useEffect(() => {
        services.users.get().then(
            info => (info.loggedIn ? setUser(info.username) : history.replace('/login')),
            () => history.replace('/login')
        );
    }, [path]);
    if (path === '/login') {
        return <Login {...({history} as any)} />;
    }
    return user ? <LoggedIn user={user} /> : null;
}

const context: any = {history, baseHref: base, navigation: {goto}};
createRoot(document.getElementById('app')!).render(
    <Context.Provider value={context}>
        <App />
    </Context.Provider>
);
