// The services of Argo CD's API that the login page uses.
import {AuthService} from 'argo-cd/shared/services/auth-service';
import {UserService} from 'argo-cd/shared/services/user-service';

export const services = {authService: new AuthService(), users: new UserService()};
