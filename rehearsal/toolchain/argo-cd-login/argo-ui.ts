// The part of argo-ui that Argo CD's login page uses: Argo CD's own commit of argo-ui is in no package registry.
import 'argo-ui/src/styles/main.scss';

export {FormField} from 'argo-ui/src/components/form-field/form-field';
export {Form, Text} from 'react-form';
