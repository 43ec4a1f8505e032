// Generated from policy.schema.json by npm run schemas. Do not edit.
// @ts-nocheck
import { createRequire } from 'node:module'
const require = createRequire(import.meta.url)
"use strict";
export const validate = validate10;

const schema11 = {"$schema":"http://json-schema.org/draft-07/schema#","title":"dstack-mesh policy","description":"A cluster's rule for which evidence is good enough, the same for every member. Its SHA-256 in canonical form (RFC 8785) is in the genesis record and on the anchor. What is left out has the strict default.","type":"object","additionalProperties":false,"required":["version","roots","tee","measurements"],"properties":{"version":{"const":1},"roots":{"description":"Whose quotes count: \"intel\", or \"emulator:\" and the SHA-256 of an emulated root certificate (INSECURE); never both kinds.","type":"array","minItems":1,"maxItems":4,"uniqueItems":true,"items":{"type":"string","pattern":"^(intel|emulator:[0-9a-f]{64})$"}},"tee":{"type":"array","minItems":1,"maxItems":1,"items":{"const":"tdx"}},"measurements":{"description":"Alternatives. MRTD is the firmware only and other firmware can replay RTMRs, so mrTd, rtmr1 and rtmr2 are all required; \"any\": true instead accepts every TD of a genuine platform (INSECURE).","type":"array","minItems":1,"maxItems":64,"uniqueItems":true,"items":{"type":"object","additionalProperties":false,"properties":{"name":{"$ref":"#/definitions/name"},"any":{"const":true},"mrTd":{"$ref":"#/definitions/register"},"rtmr0":{"$ref":"#/definitions/register"},"rtmr1":{"$ref":"#/definitions/register"},"rtmr2":{"$ref":"#/definitions/register"},"mrConfigId":{"$ref":"#/definitions/register"},"mrOwner":{"$ref":"#/definitions/register"},"mrOwnerConfig":{"$ref":"#/definitions/register"},"xfam":{"type":"string","pattern":"^[0-9a-f]{16}$"},"mrSeam":{"$ref":"#/definitions/register"}},"if":{"required":["any"]},"then":{"propertyNames":{"enum":["any","name"]}},"else":{"required":["mrTd","rtmr1","rtmr2"]}}},"apps":{"description":"The apps that a TD may state, and what may bear their ids. Left out: any, each with the id that its compose file hashes to.","type":"array","minItems":1,"maxItems":256,"items":{"type":"object","additionalProperties":false,"required":["appId","compose"],"properties":{"appId":{"type":"string","pattern":"^[0-9a-f]{40}$"},"compose":{"$ref":"#/definitions/hashes"}}}},"tcb":{"type":"object","additionalProperties":false,"properties":{"accept":{"description":"TCB statuses that are good enough. Default: UpToDate.","type":"array","minItems":1,"uniqueItems":true,"items":{"enum":["UpToDate","SWHardeningNeeded","ConfigurationNeeded","ConfigurationAndSWHardeningNeeded","OutOfDate","OutOfDateConfigurationNeeded","TDRelaunchAdvised","TDRelaunchAdvisedConfigurationNeeded"]}},"graceDays":{"description":"For so many days after the date of its TCB level a platform may be out of date. Default: 0.","type":"integer","minimum":0,"maximum":3650},"minEvaluationDataNumber":{"description":"The oldest edition of Intel's TCB data that judges anybody. Default: 0.","type":"integer","minimum":0,"maximum":4294967295},"denyAdvisories":{"type":"array","maxItems":256,"uniqueItems":true,"items":{"type":"string","pattern":"^INTEL-(SA|DOC)-[0-9]{5}$"}},"collateralMaxAgeDays":{"description":"How long ago the oldest piece of collateral may have been issued. Default: 7.","type":"integer","minimum":1,"maximum":90}}},"tdAttributes":{"description":"Any bit that is not named here must be 0.","type":"object","additionalProperties":false,"properties":{"debug":{"description":"Whether a TD may be debugged (INSECURE). Default: false.","type":"boolean"},"septVeDisable":{"description":"Whether SEPT_VE_DISABLE must be set. Default: true.","type":"boolean"},"migratable":{"description":"Whether a TD may be migratable. Default: false.","type":"boolean"}}},"platforms":{"description":"SHA-256 of the PPIDs of the only machines that count. Left out: any genuine one.","$ref":"#/definitions/hashes"},"credentialLifetime":{"$ref":"#/definitions/duration"},"lapsedServe":{"$ref":"#/definitions/duration"},"recovery":{"description":"So many of these people can bring the cluster back after its last member stopped.","type":"object","additionalProperties":false,"required":["custodians","threshold"],"properties":{"custodians":{"type":"array","minItems":1,"maxItems":16,"items":{"type":"object","additionalProperties":false,"required":["name","recipient"],"properties":{"name":{"$ref":"#/definitions/name"},"recipient":{"type":"string","maxLength":2100,"pattern":"^age1pq1[02-9ac-hj-np-z]{58,}$"}}}},"threshold":{"type":"integer","minimum":1,"maximum":16}}},"governance":{"description":"Stellar accounts, so many of which can name a successor of this policy. Left out: the policy is final.","type":"object","additionalProperties":false,"required":["keys","threshold","delay"],"properties":{"keys":{"type":"array","minItems":1,"maxItems":20,"uniqueItems":true,"items":{"type":"string","pattern":"^G[A-Z2-7]{55}$"}},"threshold":{"type":"integer","minimum":1,"maximum":20},"delay":{"$ref":"#/definitions/duration"}}}},"definitions":{"name":{"type":"string","pattern":"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$"},"register":{"type":"string","pattern":"^[0-9a-f]{96}$"},"hashes":{"type":"array","minItems":1,"maxItems":512,"uniqueItems":true,"items":{"type":"string","pattern":"^sha256:[0-9a-f]{64}$"}},"duration":{"type":"string","pattern":"^(0|[1-9][0-9]{0,5})[smhd]$"}}};
const schema12 = {"type":"string","pattern":"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$"};
const schema13 = {"type":"string","pattern":"^[0-9a-f]{96}$"};
const schema21 = {"type":"array","minItems":1,"maxItems":512,"uniqueItems":true,"items":{"type":"string","pattern":"^sha256:[0-9a-f]{64}$"}};
const schema23 = {"type":"string","pattern":"^(0|[1-9][0-9]{0,5})[smhd]$"};
const func2 = Object.prototype.hasOwnProperty;
const func0 = require("ajv/dist/runtime/equal").default;
const func6 = require("ajv/dist/runtime/ucs2length").default;
const pattern0 = new RegExp("^(intel|emulator:[0-9a-f]{64})$", "u");
const pattern1 = new RegExp("^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$", "u");
const pattern2 = new RegExp("^[0-9a-f]{96}$", "u");
const pattern9 = new RegExp("^[0-9a-f]{16}$", "u");
const pattern11 = new RegExp("^[0-9a-f]{40}$", "u");
const pattern12 = new RegExp("^sha256:[0-9a-f]{64}$", "u");
const pattern13 = new RegExp("^INTEL-(SA|DOC)-[0-9]{5}$", "u");
const pattern15 = new RegExp("^(0|[1-9][0-9]{0,5})[smhd]$", "u");
const pattern18 = new RegExp("^age1pq1[02-9ac-hj-np-z]{58,}$", "u");
const pattern19 = new RegExp("^G[A-Z2-7]{55}$", "u");

function validate10(data, {instancePath="", parentData, parentDataProperty, rootData=data}={}){
let vErrors = null;
let errors = 0;
if(data && typeof data == "object" && !Array.isArray(data)){
if(data.version === undefined){
const err0 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "version"},message:"must have required property '"+"version"+"'"};
if(vErrors === null){
vErrors = [err0];
}
else {
vErrors.push(err0);
}
errors++;
}
if(data.roots === undefined){
const err1 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "roots"},message:"must have required property '"+"roots"+"'"};
if(vErrors === null){
vErrors = [err1];
}
else {
vErrors.push(err1);
}
errors++;
}
if(data.tee === undefined){
const err2 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "tee"},message:"must have required property '"+"tee"+"'"};
if(vErrors === null){
vErrors = [err2];
}
else {
vErrors.push(err2);
}
errors++;
}
if(data.measurements === undefined){
const err3 = {instancePath,schemaPath:"#/required",keyword:"required",params:{missingProperty: "measurements"},message:"must have required property '"+"measurements"+"'"};
if(vErrors === null){
vErrors = [err3];
}
else {
vErrors.push(err3);
}
errors++;
}
for(const key0 in data){
if(!(func2.call(schema11.properties, key0))){
const err4 = {instancePath,schemaPath:"#/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key0},message:"must NOT have additional properties"};
if(vErrors === null){
vErrors = [err4];
}
else {
vErrors.push(err4);
}
errors++;
}
}
if(data.version !== undefined){
if(1 !== data.version){
const err5 = {instancePath:instancePath+"/version",schemaPath:"#/properties/version/const",keyword:"const",params:{allowedValue: 1},message:"must be equal to constant"};
if(vErrors === null){
vErrors = [err5];
}
else {
vErrors.push(err5);
}
errors++;
}
}
if(data.roots !== undefined){
let data1 = data.roots;
if(Array.isArray(data1)){
if(data1.length > 4){
const err6 = {instancePath:instancePath+"/roots",schemaPath:"#/properties/roots/maxItems",keyword:"maxItems",params:{limit: 4},message:"must NOT have more than 4 items"};
if(vErrors === null){
vErrors = [err6];
}
else {
vErrors.push(err6);
}
errors++;
}
if(data1.length < 1){
const err7 = {instancePath:instancePath+"/roots",schemaPath:"#/properties/roots/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items"};
if(vErrors === null){
vErrors = [err7];
}
else {
vErrors.push(err7);
}
errors++;
}
const len0 = data1.length;
for(let i0=0; i0<len0; i0++){
let data2 = data1[i0];
if(typeof data2 === "string"){
if(!pattern0.test(data2)){
const err8 = {instancePath:instancePath+"/roots/" + i0,schemaPath:"#/properties/roots/items/pattern",keyword:"pattern",params:{pattern: "^(intel|emulator:[0-9a-f]{64})$"},message:"must match pattern \""+"^(intel|emulator:[0-9a-f]{64})$"+"\""};
if(vErrors === null){
vErrors = [err8];
}
else {
vErrors.push(err8);
}
errors++;
}
}
else {
const err9 = {instancePath:instancePath+"/roots/" + i0,schemaPath:"#/properties/roots/items/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err9];
}
else {
vErrors.push(err9);
}
errors++;
}
}
let i1 = data1.length;
let j0;
if(i1 > 1){
const indices0 = {};
for(;i1--;){
let item0 = data1[i1];
if(typeof item0 !== "string"){
continue;
}
if(typeof indices0[item0] == "number"){
j0 = indices0[item0];
const err10 = {instancePath:instancePath+"/roots",schemaPath:"#/properties/roots/uniqueItems",keyword:"uniqueItems",params:{i: i1, j: j0},message:"must NOT have duplicate items (items ## "+j0+" and "+i1+" are identical)"};
if(vErrors === null){
vErrors = [err10];
}
else {
vErrors.push(err10);
}
errors++;
break;
}
indices0[item0] = i1;
}
}
}
else {
const err11 = {instancePath:instancePath+"/roots",schemaPath:"#/properties/roots/type",keyword:"type",params:{type: "array"},message:"must be array"};
if(vErrors === null){
vErrors = [err11];
}
else {
vErrors.push(err11);
}
errors++;
}
}
if(data.tee !== undefined){
let data3 = data.tee;
if(Array.isArray(data3)){
if(data3.length > 1){
const err12 = {instancePath:instancePath+"/tee",schemaPath:"#/properties/tee/maxItems",keyword:"maxItems",params:{limit: 1},message:"must NOT have more than 1 items"};
if(vErrors === null){
vErrors = [err12];
}
else {
vErrors.push(err12);
}
errors++;
}
if(data3.length < 1){
const err13 = {instancePath:instancePath+"/tee",schemaPath:"#/properties/tee/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items"};
if(vErrors === null){
vErrors = [err13];
}
else {
vErrors.push(err13);
}
errors++;
}
const len1 = data3.length;
for(let i2=0; i2<len1; i2++){
if("tdx" !== data3[i2]){
const err14 = {instancePath:instancePath+"/tee/" + i2,schemaPath:"#/properties/tee/items/const",keyword:"const",params:{allowedValue: "tdx"},message:"must be equal to constant"};
if(vErrors === null){
vErrors = [err14];
}
else {
vErrors.push(err14);
}
errors++;
}
}
}
else {
const err15 = {instancePath:instancePath+"/tee",schemaPath:"#/properties/tee/type",keyword:"type",params:{type: "array"},message:"must be array"};
if(vErrors === null){
vErrors = [err15];
}
else {
vErrors.push(err15);
}
errors++;
}
}
if(data.measurements !== undefined){
let data5 = data.measurements;
if(Array.isArray(data5)){
if(data5.length > 64){
const err16 = {instancePath:instancePath+"/measurements",schemaPath:"#/properties/measurements/maxItems",keyword:"maxItems",params:{limit: 64},message:"must NOT have more than 64 items"};
if(vErrors === null){
vErrors = [err16];
}
else {
vErrors.push(err16);
}
errors++;
}
if(data5.length < 1){
const err17 = {instancePath:instancePath+"/measurements",schemaPath:"#/properties/measurements/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items"};
if(vErrors === null){
vErrors = [err17];
}
else {
vErrors.push(err17);
}
errors++;
}
const len2 = data5.length;
for(let i3=0; i3<len2; i3++){
let data6 = data5[i3];
const _errs14 = errors;
let valid8 = true;
const _errs15 = errors;
if(data6 && typeof data6 == "object" && !Array.isArray(data6)){
let missing0;
if((data6.any === undefined) && (missing0 = "any")){
const err18 = {};
if(vErrors === null){
vErrors = [err18];
}
else {
vErrors.push(err18);
}
errors++;
}
}
var _valid0 = _errs15 === errors;
errors = _errs14;
if(vErrors !== null){
if(_errs14){
vErrors.length = _errs14;
}
else {
vErrors = null;
}
}
let ifClause0;
if(_valid0){
const _errs16 = errors;
if(data6 && typeof data6 == "object" && !Array.isArray(data6)){
for(const key1 in data6){
const _errs17 = errors;
if(!((key1 === "any") || (key1 === "name"))){
const err19 = {instancePath:instancePath+"/measurements/" + i3,schemaPath:"#/properties/measurements/items/then/propertyNames/enum",keyword:"enum",params:{allowedValues: schema11.properties.measurements.items.then.propertyNames.enum},message:"must be equal to one of the allowed values",propertyName:key1};
if(vErrors === null){
vErrors = [err19];
}
else {
vErrors.push(err19);
}
errors++;
}
var valid9 = _errs17 === errors;
if(!valid9){
const err20 = {instancePath:instancePath+"/measurements/" + i3,schemaPath:"#/properties/measurements/items/then/propertyNames",keyword:"propertyNames",params:{propertyName: key1},message:"property name must be valid"};
if(vErrors === null){
vErrors = [err20];
}
else {
vErrors.push(err20);
}
errors++;
}
}
}
var _valid0 = _errs16 === errors;
valid8 = _valid0;
ifClause0 = "then";
}
else {
const _errs18 = errors;
if(data6 && typeof data6 == "object" && !Array.isArray(data6)){
if(data6.mrTd === undefined){
const err21 = {instancePath:instancePath+"/measurements/" + i3,schemaPath:"#/properties/measurements/items/else/required",keyword:"required",params:{missingProperty: "mrTd"},message:"must have required property '"+"mrTd"+"'"};
if(vErrors === null){
vErrors = [err21];
}
else {
vErrors.push(err21);
}
errors++;
}
if(data6.rtmr1 === undefined){
const err22 = {instancePath:instancePath+"/measurements/" + i3,schemaPath:"#/properties/measurements/items/else/required",keyword:"required",params:{missingProperty: "rtmr1"},message:"must have required property '"+"rtmr1"+"'"};
if(vErrors === null){
vErrors = [err22];
}
else {
vErrors.push(err22);
}
errors++;
}
if(data6.rtmr2 === undefined){
const err23 = {instancePath:instancePath+"/measurements/" + i3,schemaPath:"#/properties/measurements/items/else/required",keyword:"required",params:{missingProperty: "rtmr2"},message:"must have required property '"+"rtmr2"+"'"};
if(vErrors === null){
vErrors = [err23];
}
else {
vErrors.push(err23);
}
errors++;
}
}
var _valid0 = _errs18 === errors;
valid8 = _valid0;
ifClause0 = "else";
}
if(!valid8){
const err24 = {instancePath:instancePath+"/measurements/" + i3,schemaPath:"#/properties/measurements/items/if",keyword:"if",params:{failingKeyword: ifClause0},message:"must match \""+ifClause0+"\" schema"};
if(vErrors === null){
vErrors = [err24];
}
else {
vErrors.push(err24);
}
errors++;
}
if(data6 && typeof data6 == "object" && !Array.isArray(data6)){
for(const key2 in data6){
if(!(func2.call(schema11.properties.measurements.items.properties, key2))){
const err25 = {instancePath:instancePath+"/measurements/" + i3,schemaPath:"#/properties/measurements/items/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key2},message:"must NOT have additional properties"};
if(vErrors === null){
vErrors = [err25];
}
else {
vErrors.push(err25);
}
errors++;
}
}
if(data6.name !== undefined){
let data7 = data6.name;
if(typeof data7 === "string"){
if(!pattern1.test(data7)){
const err26 = {instancePath:instancePath+"/measurements/" + i3+"/name",schemaPath:"#/definitions/name/pattern",keyword:"pattern",params:{pattern: "^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$"},message:"must match pattern \""+"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$"+"\""};
if(vErrors === null){
vErrors = [err26];
}
else {
vErrors.push(err26);
}
errors++;
}
}
else {
const err27 = {instancePath:instancePath+"/measurements/" + i3+"/name",schemaPath:"#/definitions/name/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err27];
}
else {
vErrors.push(err27);
}
errors++;
}
}
if(data6.any !== undefined){
if(true !== data6.any){
const err28 = {instancePath:instancePath+"/measurements/" + i3+"/any",schemaPath:"#/properties/measurements/items/properties/any/const",keyword:"const",params:{allowedValue: true},message:"must be equal to constant"};
if(vErrors === null){
vErrors = [err28];
}
else {
vErrors.push(err28);
}
errors++;
}
}
if(data6.mrTd !== undefined){
let data9 = data6.mrTd;
if(typeof data9 === "string"){
if(!pattern2.test(data9)){
const err29 = {instancePath:instancePath+"/measurements/" + i3+"/mrTd",schemaPath:"#/definitions/register/pattern",keyword:"pattern",params:{pattern: "^[0-9a-f]{96}$"},message:"must match pattern \""+"^[0-9a-f]{96}$"+"\""};
if(vErrors === null){
vErrors = [err29];
}
else {
vErrors.push(err29);
}
errors++;
}
}
else {
const err30 = {instancePath:instancePath+"/measurements/" + i3+"/mrTd",schemaPath:"#/definitions/register/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err30];
}
else {
vErrors.push(err30);
}
errors++;
}
}
if(data6.rtmr0 !== undefined){
let data10 = data6.rtmr0;
if(typeof data10 === "string"){
if(!pattern2.test(data10)){
const err31 = {instancePath:instancePath+"/measurements/" + i3+"/rtmr0",schemaPath:"#/definitions/register/pattern",keyword:"pattern",params:{pattern: "^[0-9a-f]{96}$"},message:"must match pattern \""+"^[0-9a-f]{96}$"+"\""};
if(vErrors === null){
vErrors = [err31];
}
else {
vErrors.push(err31);
}
errors++;
}
}
else {
const err32 = {instancePath:instancePath+"/measurements/" + i3+"/rtmr0",schemaPath:"#/definitions/register/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err32];
}
else {
vErrors.push(err32);
}
errors++;
}
}
if(data6.rtmr1 !== undefined){
let data11 = data6.rtmr1;
if(typeof data11 === "string"){
if(!pattern2.test(data11)){
const err33 = {instancePath:instancePath+"/measurements/" + i3+"/rtmr1",schemaPath:"#/definitions/register/pattern",keyword:"pattern",params:{pattern: "^[0-9a-f]{96}$"},message:"must match pattern \""+"^[0-9a-f]{96}$"+"\""};
if(vErrors === null){
vErrors = [err33];
}
else {
vErrors.push(err33);
}
errors++;
}
}
else {
const err34 = {instancePath:instancePath+"/measurements/" + i3+"/rtmr1",schemaPath:"#/definitions/register/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err34];
}
else {
vErrors.push(err34);
}
errors++;
}
}
if(data6.rtmr2 !== undefined){
let data12 = data6.rtmr2;
if(typeof data12 === "string"){
if(!pattern2.test(data12)){
const err35 = {instancePath:instancePath+"/measurements/" + i3+"/rtmr2",schemaPath:"#/definitions/register/pattern",keyword:"pattern",params:{pattern: "^[0-9a-f]{96}$"},message:"must match pattern \""+"^[0-9a-f]{96}$"+"\""};
if(vErrors === null){
vErrors = [err35];
}
else {
vErrors.push(err35);
}
errors++;
}
}
else {
const err36 = {instancePath:instancePath+"/measurements/" + i3+"/rtmr2",schemaPath:"#/definitions/register/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err36];
}
else {
vErrors.push(err36);
}
errors++;
}
}
if(data6.mrConfigId !== undefined){
let data13 = data6.mrConfigId;
if(typeof data13 === "string"){
if(!pattern2.test(data13)){
const err37 = {instancePath:instancePath+"/measurements/" + i3+"/mrConfigId",schemaPath:"#/definitions/register/pattern",keyword:"pattern",params:{pattern: "^[0-9a-f]{96}$"},message:"must match pattern \""+"^[0-9a-f]{96}$"+"\""};
if(vErrors === null){
vErrors = [err37];
}
else {
vErrors.push(err37);
}
errors++;
}
}
else {
const err38 = {instancePath:instancePath+"/measurements/" + i3+"/mrConfigId",schemaPath:"#/definitions/register/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err38];
}
else {
vErrors.push(err38);
}
errors++;
}
}
if(data6.mrOwner !== undefined){
let data14 = data6.mrOwner;
if(typeof data14 === "string"){
if(!pattern2.test(data14)){
const err39 = {instancePath:instancePath+"/measurements/" + i3+"/mrOwner",schemaPath:"#/definitions/register/pattern",keyword:"pattern",params:{pattern: "^[0-9a-f]{96}$"},message:"must match pattern \""+"^[0-9a-f]{96}$"+"\""};
if(vErrors === null){
vErrors = [err39];
}
else {
vErrors.push(err39);
}
errors++;
}
}
else {
const err40 = {instancePath:instancePath+"/measurements/" + i3+"/mrOwner",schemaPath:"#/definitions/register/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err40];
}
else {
vErrors.push(err40);
}
errors++;
}
}
if(data6.mrOwnerConfig !== undefined){
let data15 = data6.mrOwnerConfig;
if(typeof data15 === "string"){
if(!pattern2.test(data15)){
const err41 = {instancePath:instancePath+"/measurements/" + i3+"/mrOwnerConfig",schemaPath:"#/definitions/register/pattern",keyword:"pattern",params:{pattern: "^[0-9a-f]{96}$"},message:"must match pattern \""+"^[0-9a-f]{96}$"+"\""};
if(vErrors === null){
vErrors = [err41];
}
else {
vErrors.push(err41);
}
errors++;
}
}
else {
const err42 = {instancePath:instancePath+"/measurements/" + i3+"/mrOwnerConfig",schemaPath:"#/definitions/register/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err42];
}
else {
vErrors.push(err42);
}
errors++;
}
}
if(data6.xfam !== undefined){
let data16 = data6.xfam;
if(typeof data16 === "string"){
if(!pattern9.test(data16)){
const err43 = {instancePath:instancePath+"/measurements/" + i3+"/xfam",schemaPath:"#/properties/measurements/items/properties/xfam/pattern",keyword:"pattern",params:{pattern: "^[0-9a-f]{16}$"},message:"must match pattern \""+"^[0-9a-f]{16}$"+"\""};
if(vErrors === null){
vErrors = [err43];
}
else {
vErrors.push(err43);
}
errors++;
}
}
else {
const err44 = {instancePath:instancePath+"/measurements/" + i3+"/xfam",schemaPath:"#/properties/measurements/items/properties/xfam/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err44];
}
else {
vErrors.push(err44);
}
errors++;
}
}
if(data6.mrSeam !== undefined){
let data17 = data6.mrSeam;
if(typeof data17 === "string"){
if(!pattern2.test(data17)){
const err45 = {instancePath:instancePath+"/measurements/" + i3+"/mrSeam",schemaPath:"#/definitions/register/pattern",keyword:"pattern",params:{pattern: "^[0-9a-f]{96}$"},message:"must match pattern \""+"^[0-9a-f]{96}$"+"\""};
if(vErrors === null){
vErrors = [err45];
}
else {
vErrors.push(err45);
}
errors++;
}
}
else {
const err46 = {instancePath:instancePath+"/measurements/" + i3+"/mrSeam",schemaPath:"#/definitions/register/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err46];
}
else {
vErrors.push(err46);
}
errors++;
}
}
}
else {
const err47 = {instancePath:instancePath+"/measurements/" + i3,schemaPath:"#/properties/measurements/items/type",keyword:"type",params:{type: "object"},message:"must be object"};
if(vErrors === null){
vErrors = [err47];
}
else {
vErrors.push(err47);
}
errors++;
}
}
let i4 = data5.length;
let j1;
if(i4 > 1){
outer0:
for(;i4--;){
for(j1 = i4; j1--;){
if(func0(data5[i4], data5[j1])){
const err48 = {instancePath:instancePath+"/measurements",schemaPath:"#/properties/measurements/uniqueItems",keyword:"uniqueItems",params:{i: i4, j: j1},message:"must NOT have duplicate items (items ## "+j1+" and "+i4+" are identical)"};
if(vErrors === null){
vErrors = [err48];
}
else {
vErrors.push(err48);
}
errors++;
break outer0;
}
}
}
}
}
else {
const err49 = {instancePath:instancePath+"/measurements",schemaPath:"#/properties/measurements/type",keyword:"type",params:{type: "array"},message:"must be array"};
if(vErrors === null){
vErrors = [err49];
}
else {
vErrors.push(err49);
}
errors++;
}
}
if(data.apps !== undefined){
let data18 = data.apps;
if(Array.isArray(data18)){
if(data18.length > 256){
const err50 = {instancePath:instancePath+"/apps",schemaPath:"#/properties/apps/maxItems",keyword:"maxItems",params:{limit: 256},message:"must NOT have more than 256 items"};
if(vErrors === null){
vErrors = [err50];
}
else {
vErrors.push(err50);
}
errors++;
}
if(data18.length < 1){
const err51 = {instancePath:instancePath+"/apps",schemaPath:"#/properties/apps/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items"};
if(vErrors === null){
vErrors = [err51];
}
else {
vErrors.push(err51);
}
errors++;
}
const len3 = data18.length;
for(let i5=0; i5<len3; i5++){
let data19 = data18[i5];
if(data19 && typeof data19 == "object" && !Array.isArray(data19)){
if(data19.appId === undefined){
const err52 = {instancePath:instancePath+"/apps/" + i5,schemaPath:"#/properties/apps/items/required",keyword:"required",params:{missingProperty: "appId"},message:"must have required property '"+"appId"+"'"};
if(vErrors === null){
vErrors = [err52];
}
else {
vErrors.push(err52);
}
errors++;
}
if(data19.compose === undefined){
const err53 = {instancePath:instancePath+"/apps/" + i5,schemaPath:"#/properties/apps/items/required",keyword:"required",params:{missingProperty: "compose"},message:"must have required property '"+"compose"+"'"};
if(vErrors === null){
vErrors = [err53];
}
else {
vErrors.push(err53);
}
errors++;
}
for(const key3 in data19){
if(!((key3 === "appId") || (key3 === "compose"))){
const err54 = {instancePath:instancePath+"/apps/" + i5,schemaPath:"#/properties/apps/items/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key3},message:"must NOT have additional properties"};
if(vErrors === null){
vErrors = [err54];
}
else {
vErrors.push(err54);
}
errors++;
}
}
if(data19.appId !== undefined){
let data20 = data19.appId;
if(typeof data20 === "string"){
if(!pattern11.test(data20)){
const err55 = {instancePath:instancePath+"/apps/" + i5+"/appId",schemaPath:"#/properties/apps/items/properties/appId/pattern",keyword:"pattern",params:{pattern: "^[0-9a-f]{40}$"},message:"must match pattern \""+"^[0-9a-f]{40}$"+"\""};
if(vErrors === null){
vErrors = [err55];
}
else {
vErrors.push(err55);
}
errors++;
}
}
else {
const err56 = {instancePath:instancePath+"/apps/" + i5+"/appId",schemaPath:"#/properties/apps/items/properties/appId/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err56];
}
else {
vErrors.push(err56);
}
errors++;
}
}
if(data19.compose !== undefined){
let data21 = data19.compose;
if(Array.isArray(data21)){
if(data21.length > 512){
const err57 = {instancePath:instancePath+"/apps/" + i5+"/compose",schemaPath:"#/definitions/hashes/maxItems",keyword:"maxItems",params:{limit: 512},message:"must NOT have more than 512 items"};
if(vErrors === null){
vErrors = [err57];
}
else {
vErrors.push(err57);
}
errors++;
}
if(data21.length < 1){
const err58 = {instancePath:instancePath+"/apps/" + i5+"/compose",schemaPath:"#/definitions/hashes/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items"};
if(vErrors === null){
vErrors = [err58];
}
else {
vErrors.push(err58);
}
errors++;
}
const len4 = data21.length;
for(let i6=0; i6<len4; i6++){
let data22 = data21[i6];
if(typeof data22 === "string"){
if(!pattern12.test(data22)){
const err59 = {instancePath:instancePath+"/apps/" + i5+"/compose/" + i6,schemaPath:"#/definitions/hashes/items/pattern",keyword:"pattern",params:{pattern: "^sha256:[0-9a-f]{64}$"},message:"must match pattern \""+"^sha256:[0-9a-f]{64}$"+"\""};
if(vErrors === null){
vErrors = [err59];
}
else {
vErrors.push(err59);
}
errors++;
}
}
else {
const err60 = {instancePath:instancePath+"/apps/" + i5+"/compose/" + i6,schemaPath:"#/definitions/hashes/items/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err60];
}
else {
vErrors.push(err60);
}
errors++;
}
}
let i7 = data21.length;
let j2;
if(i7 > 1){
const indices1 = {};
for(;i7--;){
let item1 = data21[i7];
if(typeof item1 !== "string"){
continue;
}
if(typeof indices1[item1] == "number"){
j2 = indices1[item1];
const err61 = {instancePath:instancePath+"/apps/" + i5+"/compose",schemaPath:"#/definitions/hashes/uniqueItems",keyword:"uniqueItems",params:{i: i7, j: j2},message:"must NOT have duplicate items (items ## "+j2+" and "+i7+" are identical)"};
if(vErrors === null){
vErrors = [err61];
}
else {
vErrors.push(err61);
}
errors++;
break;
}
indices1[item1] = i7;
}
}
}
else {
const err62 = {instancePath:instancePath+"/apps/" + i5+"/compose",schemaPath:"#/definitions/hashes/type",keyword:"type",params:{type: "array"},message:"must be array"};
if(vErrors === null){
vErrors = [err62];
}
else {
vErrors.push(err62);
}
errors++;
}
}
}
else {
const err63 = {instancePath:instancePath+"/apps/" + i5,schemaPath:"#/properties/apps/items/type",keyword:"type",params:{type: "object"},message:"must be object"};
if(vErrors === null){
vErrors = [err63];
}
else {
vErrors.push(err63);
}
errors++;
}
}
}
else {
const err64 = {instancePath:instancePath+"/apps",schemaPath:"#/properties/apps/type",keyword:"type",params:{type: "array"},message:"must be array"};
if(vErrors === null){
vErrors = [err64];
}
else {
vErrors.push(err64);
}
errors++;
}
}
if(data.tcb !== undefined){
let data23 = data.tcb;
if(data23 && typeof data23 == "object" && !Array.isArray(data23)){
for(const key4 in data23){
if(!(((((key4 === "accept") || (key4 === "graceDays")) || (key4 === "minEvaluationDataNumber")) || (key4 === "denyAdvisories")) || (key4 === "collateralMaxAgeDays"))){
const err65 = {instancePath:instancePath+"/tcb",schemaPath:"#/properties/tcb/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key4},message:"must NOT have additional properties"};
if(vErrors === null){
vErrors = [err65];
}
else {
vErrors.push(err65);
}
errors++;
}
}
if(data23.accept !== undefined){
let data24 = data23.accept;
if(Array.isArray(data24)){
if(data24.length < 1){
const err66 = {instancePath:instancePath+"/tcb/accept",schemaPath:"#/properties/tcb/properties/accept/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items"};
if(vErrors === null){
vErrors = [err66];
}
else {
vErrors.push(err66);
}
errors++;
}
const len5 = data24.length;
for(let i8=0; i8<len5; i8++){
let data25 = data24[i8];
if(!((((((((data25 === "UpToDate") || (data25 === "SWHardeningNeeded")) || (data25 === "ConfigurationNeeded")) || (data25 === "ConfigurationAndSWHardeningNeeded")) || (data25 === "OutOfDate")) || (data25 === "OutOfDateConfigurationNeeded")) || (data25 === "TDRelaunchAdvised")) || (data25 === "TDRelaunchAdvisedConfigurationNeeded"))){
const err67 = {instancePath:instancePath+"/tcb/accept/" + i8,schemaPath:"#/properties/tcb/properties/accept/items/enum",keyword:"enum",params:{allowedValues: schema11.properties.tcb.properties.accept.items.enum},message:"must be equal to one of the allowed values"};
if(vErrors === null){
vErrors = [err67];
}
else {
vErrors.push(err67);
}
errors++;
}
}
let i9 = data24.length;
let j3;
if(i9 > 1){
outer1:
for(;i9--;){
for(j3 = i9; j3--;){
if(func0(data24[i9], data24[j3])){
const err68 = {instancePath:instancePath+"/tcb/accept",schemaPath:"#/properties/tcb/properties/accept/uniqueItems",keyword:"uniqueItems",params:{i: i9, j: j3},message:"must NOT have duplicate items (items ## "+j3+" and "+i9+" are identical)"};
if(vErrors === null){
vErrors = [err68];
}
else {
vErrors.push(err68);
}
errors++;
break outer1;
}
}
}
}
}
else {
const err69 = {instancePath:instancePath+"/tcb/accept",schemaPath:"#/properties/tcb/properties/accept/type",keyword:"type",params:{type: "array"},message:"must be array"};
if(vErrors === null){
vErrors = [err69];
}
else {
vErrors.push(err69);
}
errors++;
}
}
if(data23.graceDays !== undefined){
let data26 = data23.graceDays;
if(!(((typeof data26 == "number") && (!(data26 % 1) && !isNaN(data26))) && (isFinite(data26)))){
const err70 = {instancePath:instancePath+"/tcb/graceDays",schemaPath:"#/properties/tcb/properties/graceDays/type",keyword:"type",params:{type: "integer"},message:"must be integer"};
if(vErrors === null){
vErrors = [err70];
}
else {
vErrors.push(err70);
}
errors++;
}
if((typeof data26 == "number") && (isFinite(data26))){
if(data26 > 3650 || isNaN(data26)){
const err71 = {instancePath:instancePath+"/tcb/graceDays",schemaPath:"#/properties/tcb/properties/graceDays/maximum",keyword:"maximum",params:{comparison: "<=", limit: 3650},message:"must be <= 3650"};
if(vErrors === null){
vErrors = [err71];
}
else {
vErrors.push(err71);
}
errors++;
}
if(data26 < 0 || isNaN(data26)){
const err72 = {instancePath:instancePath+"/tcb/graceDays",schemaPath:"#/properties/tcb/properties/graceDays/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0"};
if(vErrors === null){
vErrors = [err72];
}
else {
vErrors.push(err72);
}
errors++;
}
}
}
if(data23.minEvaluationDataNumber !== undefined){
let data27 = data23.minEvaluationDataNumber;
if(!(((typeof data27 == "number") && (!(data27 % 1) && !isNaN(data27))) && (isFinite(data27)))){
const err73 = {instancePath:instancePath+"/tcb/minEvaluationDataNumber",schemaPath:"#/properties/tcb/properties/minEvaluationDataNumber/type",keyword:"type",params:{type: "integer"},message:"must be integer"};
if(vErrors === null){
vErrors = [err73];
}
else {
vErrors.push(err73);
}
errors++;
}
if((typeof data27 == "number") && (isFinite(data27))){
if(data27 > 4294967295 || isNaN(data27)){
const err74 = {instancePath:instancePath+"/tcb/minEvaluationDataNumber",schemaPath:"#/properties/tcb/properties/minEvaluationDataNumber/maximum",keyword:"maximum",params:{comparison: "<=", limit: 4294967295},message:"must be <= 4294967295"};
if(vErrors === null){
vErrors = [err74];
}
else {
vErrors.push(err74);
}
errors++;
}
if(data27 < 0 || isNaN(data27)){
const err75 = {instancePath:instancePath+"/tcb/minEvaluationDataNumber",schemaPath:"#/properties/tcb/properties/minEvaluationDataNumber/minimum",keyword:"minimum",params:{comparison: ">=", limit: 0},message:"must be >= 0"};
if(vErrors === null){
vErrors = [err75];
}
else {
vErrors.push(err75);
}
errors++;
}
}
}
if(data23.denyAdvisories !== undefined){
let data28 = data23.denyAdvisories;
if(Array.isArray(data28)){
if(data28.length > 256){
const err76 = {instancePath:instancePath+"/tcb/denyAdvisories",schemaPath:"#/properties/tcb/properties/denyAdvisories/maxItems",keyword:"maxItems",params:{limit: 256},message:"must NOT have more than 256 items"};
if(vErrors === null){
vErrors = [err76];
}
else {
vErrors.push(err76);
}
errors++;
}
const len6 = data28.length;
for(let i10=0; i10<len6; i10++){
let data29 = data28[i10];
if(typeof data29 === "string"){
if(!pattern13.test(data29)){
const err77 = {instancePath:instancePath+"/tcb/denyAdvisories/" + i10,schemaPath:"#/properties/tcb/properties/denyAdvisories/items/pattern",keyword:"pattern",params:{pattern: "^INTEL-(SA|DOC)-[0-9]{5}$"},message:"must match pattern \""+"^INTEL-(SA|DOC)-[0-9]{5}$"+"\""};
if(vErrors === null){
vErrors = [err77];
}
else {
vErrors.push(err77);
}
errors++;
}
}
else {
const err78 = {instancePath:instancePath+"/tcb/denyAdvisories/" + i10,schemaPath:"#/properties/tcb/properties/denyAdvisories/items/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err78];
}
else {
vErrors.push(err78);
}
errors++;
}
}
let i11 = data28.length;
let j4;
if(i11 > 1){
const indices2 = {};
for(;i11--;){
let item2 = data28[i11];
if(typeof item2 !== "string"){
continue;
}
if(typeof indices2[item2] == "number"){
j4 = indices2[item2];
const err79 = {instancePath:instancePath+"/tcb/denyAdvisories",schemaPath:"#/properties/tcb/properties/denyAdvisories/uniqueItems",keyword:"uniqueItems",params:{i: i11, j: j4},message:"must NOT have duplicate items (items ## "+j4+" and "+i11+" are identical)"};
if(vErrors === null){
vErrors = [err79];
}
else {
vErrors.push(err79);
}
errors++;
break;
}
indices2[item2] = i11;
}
}
}
else {
const err80 = {instancePath:instancePath+"/tcb/denyAdvisories",schemaPath:"#/properties/tcb/properties/denyAdvisories/type",keyword:"type",params:{type: "array"},message:"must be array"};
if(vErrors === null){
vErrors = [err80];
}
else {
vErrors.push(err80);
}
errors++;
}
}
if(data23.collateralMaxAgeDays !== undefined){
let data30 = data23.collateralMaxAgeDays;
if(!(((typeof data30 == "number") && (!(data30 % 1) && !isNaN(data30))) && (isFinite(data30)))){
const err81 = {instancePath:instancePath+"/tcb/collateralMaxAgeDays",schemaPath:"#/properties/tcb/properties/collateralMaxAgeDays/type",keyword:"type",params:{type: "integer"},message:"must be integer"};
if(vErrors === null){
vErrors = [err81];
}
else {
vErrors.push(err81);
}
errors++;
}
if((typeof data30 == "number") && (isFinite(data30))){
if(data30 > 90 || isNaN(data30)){
const err82 = {instancePath:instancePath+"/tcb/collateralMaxAgeDays",schemaPath:"#/properties/tcb/properties/collateralMaxAgeDays/maximum",keyword:"maximum",params:{comparison: "<=", limit: 90},message:"must be <= 90"};
if(vErrors === null){
vErrors = [err82];
}
else {
vErrors.push(err82);
}
errors++;
}
if(data30 < 1 || isNaN(data30)){
const err83 = {instancePath:instancePath+"/tcb/collateralMaxAgeDays",schemaPath:"#/properties/tcb/properties/collateralMaxAgeDays/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1"};
if(vErrors === null){
vErrors = [err83];
}
else {
vErrors.push(err83);
}
errors++;
}
}
}
}
else {
const err84 = {instancePath:instancePath+"/tcb",schemaPath:"#/properties/tcb/type",keyword:"type",params:{type: "object"},message:"must be object"};
if(vErrors === null){
vErrors = [err84];
}
else {
vErrors.push(err84);
}
errors++;
}
}
if(data.tdAttributes !== undefined){
let data31 = data.tdAttributes;
if(data31 && typeof data31 == "object" && !Array.isArray(data31)){
for(const key5 in data31){
if(!(((key5 === "debug") || (key5 === "septVeDisable")) || (key5 === "migratable"))){
const err85 = {instancePath:instancePath+"/tdAttributes",schemaPath:"#/properties/tdAttributes/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key5},message:"must NOT have additional properties"};
if(vErrors === null){
vErrors = [err85];
}
else {
vErrors.push(err85);
}
errors++;
}
}
if(data31.debug !== undefined){
if(typeof data31.debug !== "boolean"){
const err86 = {instancePath:instancePath+"/tdAttributes/debug",schemaPath:"#/properties/tdAttributes/properties/debug/type",keyword:"type",params:{type: "boolean"},message:"must be boolean"};
if(vErrors === null){
vErrors = [err86];
}
else {
vErrors.push(err86);
}
errors++;
}
}
if(data31.septVeDisable !== undefined){
if(typeof data31.septVeDisable !== "boolean"){
const err87 = {instancePath:instancePath+"/tdAttributes/septVeDisable",schemaPath:"#/properties/tdAttributes/properties/septVeDisable/type",keyword:"type",params:{type: "boolean"},message:"must be boolean"};
if(vErrors === null){
vErrors = [err87];
}
else {
vErrors.push(err87);
}
errors++;
}
}
if(data31.migratable !== undefined){
if(typeof data31.migratable !== "boolean"){
const err88 = {instancePath:instancePath+"/tdAttributes/migratable",schemaPath:"#/properties/tdAttributes/properties/migratable/type",keyword:"type",params:{type: "boolean"},message:"must be boolean"};
if(vErrors === null){
vErrors = [err88];
}
else {
vErrors.push(err88);
}
errors++;
}
}
}
else {
const err89 = {instancePath:instancePath+"/tdAttributes",schemaPath:"#/properties/tdAttributes/type",keyword:"type",params:{type: "object"},message:"must be object"};
if(vErrors === null){
vErrors = [err89];
}
else {
vErrors.push(err89);
}
errors++;
}
}
if(data.platforms !== undefined){
let data35 = data.platforms;
if(Array.isArray(data35)){
if(data35.length > 512){
const err90 = {instancePath:instancePath+"/platforms",schemaPath:"#/definitions/hashes/maxItems",keyword:"maxItems",params:{limit: 512},message:"must NOT have more than 512 items"};
if(vErrors === null){
vErrors = [err90];
}
else {
vErrors.push(err90);
}
errors++;
}
if(data35.length < 1){
const err91 = {instancePath:instancePath+"/platforms",schemaPath:"#/definitions/hashes/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items"};
if(vErrors === null){
vErrors = [err91];
}
else {
vErrors.push(err91);
}
errors++;
}
const len7 = data35.length;
for(let i12=0; i12<len7; i12++){
let data36 = data35[i12];
if(typeof data36 === "string"){
if(!pattern12.test(data36)){
const err92 = {instancePath:instancePath+"/platforms/" + i12,schemaPath:"#/definitions/hashes/items/pattern",keyword:"pattern",params:{pattern: "^sha256:[0-9a-f]{64}$"},message:"must match pattern \""+"^sha256:[0-9a-f]{64}$"+"\""};
if(vErrors === null){
vErrors = [err92];
}
else {
vErrors.push(err92);
}
errors++;
}
}
else {
const err93 = {instancePath:instancePath+"/platforms/" + i12,schemaPath:"#/definitions/hashes/items/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err93];
}
else {
vErrors.push(err93);
}
errors++;
}
}
let i13 = data35.length;
let j5;
if(i13 > 1){
const indices3 = {};
for(;i13--;){
let item3 = data35[i13];
if(typeof item3 !== "string"){
continue;
}
if(typeof indices3[item3] == "number"){
j5 = indices3[item3];
const err94 = {instancePath:instancePath+"/platforms",schemaPath:"#/definitions/hashes/uniqueItems",keyword:"uniqueItems",params:{i: i13, j: j5},message:"must NOT have duplicate items (items ## "+j5+" and "+i13+" are identical)"};
if(vErrors === null){
vErrors = [err94];
}
else {
vErrors.push(err94);
}
errors++;
break;
}
indices3[item3] = i13;
}
}
}
else {
const err95 = {instancePath:instancePath+"/platforms",schemaPath:"#/definitions/hashes/type",keyword:"type",params:{type: "array"},message:"must be array"};
if(vErrors === null){
vErrors = [err95];
}
else {
vErrors.push(err95);
}
errors++;
}
}
if(data.credentialLifetime !== undefined){
let data37 = data.credentialLifetime;
if(typeof data37 === "string"){
if(!pattern15.test(data37)){
const err96 = {instancePath:instancePath+"/credentialLifetime",schemaPath:"#/definitions/duration/pattern",keyword:"pattern",params:{pattern: "^(0|[1-9][0-9]{0,5})[smhd]$"},message:"must match pattern \""+"^(0|[1-9][0-9]{0,5})[smhd]$"+"\""};
if(vErrors === null){
vErrors = [err96];
}
else {
vErrors.push(err96);
}
errors++;
}
}
else {
const err97 = {instancePath:instancePath+"/credentialLifetime",schemaPath:"#/definitions/duration/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err97];
}
else {
vErrors.push(err97);
}
errors++;
}
}
if(data.lapsedServe !== undefined){
let data38 = data.lapsedServe;
if(typeof data38 === "string"){
if(!pattern15.test(data38)){
const err98 = {instancePath:instancePath+"/lapsedServe",schemaPath:"#/definitions/duration/pattern",keyword:"pattern",params:{pattern: "^(0|[1-9][0-9]{0,5})[smhd]$"},message:"must match pattern \""+"^(0|[1-9][0-9]{0,5})[smhd]$"+"\""};
if(vErrors === null){
vErrors = [err98];
}
else {
vErrors.push(err98);
}
errors++;
}
}
else {
const err99 = {instancePath:instancePath+"/lapsedServe",schemaPath:"#/definitions/duration/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err99];
}
else {
vErrors.push(err99);
}
errors++;
}
}
if(data.recovery !== undefined){
let data39 = data.recovery;
if(data39 && typeof data39 == "object" && !Array.isArray(data39)){
if(data39.custodians === undefined){
const err100 = {instancePath:instancePath+"/recovery",schemaPath:"#/properties/recovery/required",keyword:"required",params:{missingProperty: "custodians"},message:"must have required property '"+"custodians"+"'"};
if(vErrors === null){
vErrors = [err100];
}
else {
vErrors.push(err100);
}
errors++;
}
if(data39.threshold === undefined){
const err101 = {instancePath:instancePath+"/recovery",schemaPath:"#/properties/recovery/required",keyword:"required",params:{missingProperty: "threshold"},message:"must have required property '"+"threshold"+"'"};
if(vErrors === null){
vErrors = [err101];
}
else {
vErrors.push(err101);
}
errors++;
}
for(const key6 in data39){
if(!((key6 === "custodians") || (key6 === "threshold"))){
const err102 = {instancePath:instancePath+"/recovery",schemaPath:"#/properties/recovery/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key6},message:"must NOT have additional properties"};
if(vErrors === null){
vErrors = [err102];
}
else {
vErrors.push(err102);
}
errors++;
}
}
if(data39.custodians !== undefined){
let data40 = data39.custodians;
if(Array.isArray(data40)){
if(data40.length > 16){
const err103 = {instancePath:instancePath+"/recovery/custodians",schemaPath:"#/properties/recovery/properties/custodians/maxItems",keyword:"maxItems",params:{limit: 16},message:"must NOT have more than 16 items"};
if(vErrors === null){
vErrors = [err103];
}
else {
vErrors.push(err103);
}
errors++;
}
if(data40.length < 1){
const err104 = {instancePath:instancePath+"/recovery/custodians",schemaPath:"#/properties/recovery/properties/custodians/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items"};
if(vErrors === null){
vErrors = [err104];
}
else {
vErrors.push(err104);
}
errors++;
}
const len8 = data40.length;
for(let i14=0; i14<len8; i14++){
let data41 = data40[i14];
if(data41 && typeof data41 == "object" && !Array.isArray(data41)){
if(data41.name === undefined){
const err105 = {instancePath:instancePath+"/recovery/custodians/" + i14,schemaPath:"#/properties/recovery/properties/custodians/items/required",keyword:"required",params:{missingProperty: "name"},message:"must have required property '"+"name"+"'"};
if(vErrors === null){
vErrors = [err105];
}
else {
vErrors.push(err105);
}
errors++;
}
if(data41.recipient === undefined){
const err106 = {instancePath:instancePath+"/recovery/custodians/" + i14,schemaPath:"#/properties/recovery/properties/custodians/items/required",keyword:"required",params:{missingProperty: "recipient"},message:"must have required property '"+"recipient"+"'"};
if(vErrors === null){
vErrors = [err106];
}
else {
vErrors.push(err106);
}
errors++;
}
for(const key7 in data41){
if(!((key7 === "name") || (key7 === "recipient"))){
const err107 = {instancePath:instancePath+"/recovery/custodians/" + i14,schemaPath:"#/properties/recovery/properties/custodians/items/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key7},message:"must NOT have additional properties"};
if(vErrors === null){
vErrors = [err107];
}
else {
vErrors.push(err107);
}
errors++;
}
}
if(data41.name !== undefined){
let data42 = data41.name;
if(typeof data42 === "string"){
if(!pattern1.test(data42)){
const err108 = {instancePath:instancePath+"/recovery/custodians/" + i14+"/name",schemaPath:"#/definitions/name/pattern",keyword:"pattern",params:{pattern: "^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$"},message:"must match pattern \""+"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$"+"\""};
if(vErrors === null){
vErrors = [err108];
}
else {
vErrors.push(err108);
}
errors++;
}
}
else {
const err109 = {instancePath:instancePath+"/recovery/custodians/" + i14+"/name",schemaPath:"#/definitions/name/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err109];
}
else {
vErrors.push(err109);
}
errors++;
}
}
if(data41.recipient !== undefined){
let data43 = data41.recipient;
if(typeof data43 === "string"){
if(func6(data43) > 2100){
const err110 = {instancePath:instancePath+"/recovery/custodians/" + i14+"/recipient",schemaPath:"#/properties/recovery/properties/custodians/items/properties/recipient/maxLength",keyword:"maxLength",params:{limit: 2100},message:"must NOT have more than 2100 characters"};
if(vErrors === null){
vErrors = [err110];
}
else {
vErrors.push(err110);
}
errors++;
}
if(!pattern18.test(data43)){
const err111 = {instancePath:instancePath+"/recovery/custodians/" + i14+"/recipient",schemaPath:"#/properties/recovery/properties/custodians/items/properties/recipient/pattern",keyword:"pattern",params:{pattern: "^age1pq1[02-9ac-hj-np-z]{58,}$"},message:"must match pattern \""+"^age1pq1[02-9ac-hj-np-z]{58,}$"+"\""};
if(vErrors === null){
vErrors = [err111];
}
else {
vErrors.push(err111);
}
errors++;
}
}
else {
const err112 = {instancePath:instancePath+"/recovery/custodians/" + i14+"/recipient",schemaPath:"#/properties/recovery/properties/custodians/items/properties/recipient/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err112];
}
else {
vErrors.push(err112);
}
errors++;
}
}
}
else {
const err113 = {instancePath:instancePath+"/recovery/custodians/" + i14,schemaPath:"#/properties/recovery/properties/custodians/items/type",keyword:"type",params:{type: "object"},message:"must be object"};
if(vErrors === null){
vErrors = [err113];
}
else {
vErrors.push(err113);
}
errors++;
}
}
}
else {
const err114 = {instancePath:instancePath+"/recovery/custodians",schemaPath:"#/properties/recovery/properties/custodians/type",keyword:"type",params:{type: "array"},message:"must be array"};
if(vErrors === null){
vErrors = [err114];
}
else {
vErrors.push(err114);
}
errors++;
}
}
if(data39.threshold !== undefined){
let data44 = data39.threshold;
if(!(((typeof data44 == "number") && (!(data44 % 1) && !isNaN(data44))) && (isFinite(data44)))){
const err115 = {instancePath:instancePath+"/recovery/threshold",schemaPath:"#/properties/recovery/properties/threshold/type",keyword:"type",params:{type: "integer"},message:"must be integer"};
if(vErrors === null){
vErrors = [err115];
}
else {
vErrors.push(err115);
}
errors++;
}
if((typeof data44 == "number") && (isFinite(data44))){
if(data44 > 16 || isNaN(data44)){
const err116 = {instancePath:instancePath+"/recovery/threshold",schemaPath:"#/properties/recovery/properties/threshold/maximum",keyword:"maximum",params:{comparison: "<=", limit: 16},message:"must be <= 16"};
if(vErrors === null){
vErrors = [err116];
}
else {
vErrors.push(err116);
}
errors++;
}
if(data44 < 1 || isNaN(data44)){
const err117 = {instancePath:instancePath+"/recovery/threshold",schemaPath:"#/properties/recovery/properties/threshold/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1"};
if(vErrors === null){
vErrors = [err117];
}
else {
vErrors.push(err117);
}
errors++;
}
}
}
}
else {
const err118 = {instancePath:instancePath+"/recovery",schemaPath:"#/properties/recovery/type",keyword:"type",params:{type: "object"},message:"must be object"};
if(vErrors === null){
vErrors = [err118];
}
else {
vErrors.push(err118);
}
errors++;
}
}
if(data.governance !== undefined){
let data45 = data.governance;
if(data45 && typeof data45 == "object" && !Array.isArray(data45)){
if(data45.keys === undefined){
const err119 = {instancePath:instancePath+"/governance",schemaPath:"#/properties/governance/required",keyword:"required",params:{missingProperty: "keys"},message:"must have required property '"+"keys"+"'"};
if(vErrors === null){
vErrors = [err119];
}
else {
vErrors.push(err119);
}
errors++;
}
if(data45.threshold === undefined){
const err120 = {instancePath:instancePath+"/governance",schemaPath:"#/properties/governance/required",keyword:"required",params:{missingProperty: "threshold"},message:"must have required property '"+"threshold"+"'"};
if(vErrors === null){
vErrors = [err120];
}
else {
vErrors.push(err120);
}
errors++;
}
if(data45.delay === undefined){
const err121 = {instancePath:instancePath+"/governance",schemaPath:"#/properties/governance/required",keyword:"required",params:{missingProperty: "delay"},message:"must have required property '"+"delay"+"'"};
if(vErrors === null){
vErrors = [err121];
}
else {
vErrors.push(err121);
}
errors++;
}
for(const key8 in data45){
if(!(((key8 === "keys") || (key8 === "threshold")) || (key8 === "delay"))){
const err122 = {instancePath:instancePath+"/governance",schemaPath:"#/properties/governance/additionalProperties",keyword:"additionalProperties",params:{additionalProperty: key8},message:"must NOT have additional properties"};
if(vErrors === null){
vErrors = [err122];
}
else {
vErrors.push(err122);
}
errors++;
}
}
if(data45.keys !== undefined){
let data46 = data45.keys;
if(Array.isArray(data46)){
if(data46.length > 20){
const err123 = {instancePath:instancePath+"/governance/keys",schemaPath:"#/properties/governance/properties/keys/maxItems",keyword:"maxItems",params:{limit: 20},message:"must NOT have more than 20 items"};
if(vErrors === null){
vErrors = [err123];
}
else {
vErrors.push(err123);
}
errors++;
}
if(data46.length < 1){
const err124 = {instancePath:instancePath+"/governance/keys",schemaPath:"#/properties/governance/properties/keys/minItems",keyword:"minItems",params:{limit: 1},message:"must NOT have fewer than 1 items"};
if(vErrors === null){
vErrors = [err124];
}
else {
vErrors.push(err124);
}
errors++;
}
const len9 = data46.length;
for(let i15=0; i15<len9; i15++){
let data47 = data46[i15];
if(typeof data47 === "string"){
if(!pattern19.test(data47)){
const err125 = {instancePath:instancePath+"/governance/keys/" + i15,schemaPath:"#/properties/governance/properties/keys/items/pattern",keyword:"pattern",params:{pattern: "^G[A-Z2-7]{55}$"},message:"must match pattern \""+"^G[A-Z2-7]{55}$"+"\""};
if(vErrors === null){
vErrors = [err125];
}
else {
vErrors.push(err125);
}
errors++;
}
}
else {
const err126 = {instancePath:instancePath+"/governance/keys/" + i15,schemaPath:"#/properties/governance/properties/keys/items/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err126];
}
else {
vErrors.push(err126);
}
errors++;
}
}
let i16 = data46.length;
let j6;
if(i16 > 1){
const indices4 = {};
for(;i16--;){
let item4 = data46[i16];
if(typeof item4 !== "string"){
continue;
}
if(typeof indices4[item4] == "number"){
j6 = indices4[item4];
const err127 = {instancePath:instancePath+"/governance/keys",schemaPath:"#/properties/governance/properties/keys/uniqueItems",keyword:"uniqueItems",params:{i: i16, j: j6},message:"must NOT have duplicate items (items ## "+j6+" and "+i16+" are identical)"};
if(vErrors === null){
vErrors = [err127];
}
else {
vErrors.push(err127);
}
errors++;
break;
}
indices4[item4] = i16;
}
}
}
else {
const err128 = {instancePath:instancePath+"/governance/keys",schemaPath:"#/properties/governance/properties/keys/type",keyword:"type",params:{type: "array"},message:"must be array"};
if(vErrors === null){
vErrors = [err128];
}
else {
vErrors.push(err128);
}
errors++;
}
}
if(data45.threshold !== undefined){
let data48 = data45.threshold;
if(!(((typeof data48 == "number") && (!(data48 % 1) && !isNaN(data48))) && (isFinite(data48)))){
const err129 = {instancePath:instancePath+"/governance/threshold",schemaPath:"#/properties/governance/properties/threshold/type",keyword:"type",params:{type: "integer"},message:"must be integer"};
if(vErrors === null){
vErrors = [err129];
}
else {
vErrors.push(err129);
}
errors++;
}
if((typeof data48 == "number") && (isFinite(data48))){
if(data48 > 20 || isNaN(data48)){
const err130 = {instancePath:instancePath+"/governance/threshold",schemaPath:"#/properties/governance/properties/threshold/maximum",keyword:"maximum",params:{comparison: "<=", limit: 20},message:"must be <= 20"};
if(vErrors === null){
vErrors = [err130];
}
else {
vErrors.push(err130);
}
errors++;
}
if(data48 < 1 || isNaN(data48)){
const err131 = {instancePath:instancePath+"/governance/threshold",schemaPath:"#/properties/governance/properties/threshold/minimum",keyword:"minimum",params:{comparison: ">=", limit: 1},message:"must be >= 1"};
if(vErrors === null){
vErrors = [err131];
}
else {
vErrors.push(err131);
}
errors++;
}
}
}
if(data45.delay !== undefined){
let data49 = data45.delay;
if(typeof data49 === "string"){
if(!pattern15.test(data49)){
const err132 = {instancePath:instancePath+"/governance/delay",schemaPath:"#/definitions/duration/pattern",keyword:"pattern",params:{pattern: "^(0|[1-9][0-9]{0,5})[smhd]$"},message:"must match pattern \""+"^(0|[1-9][0-9]{0,5})[smhd]$"+"\""};
if(vErrors === null){
vErrors = [err132];
}
else {
vErrors.push(err132);
}
errors++;
}
}
else {
const err133 = {instancePath:instancePath+"/governance/delay",schemaPath:"#/definitions/duration/type",keyword:"type",params:{type: "string"},message:"must be string"};
if(vErrors === null){
vErrors = [err133];
}
else {
vErrors.push(err133);
}
errors++;
}
}
}
else {
const err134 = {instancePath:instancePath+"/governance",schemaPath:"#/properties/governance/type",keyword:"type",params:{type: "object"},message:"must be object"};
if(vErrors === null){
vErrors = [err134];
}
else {
vErrors.push(err134);
}
errors++;
}
}
}
else {
const err135 = {instancePath,schemaPath:"#/type",keyword:"type",params:{type: "object"},message:"must be object"};
if(vErrors === null){
vErrors = [err135];
}
else {
vErrors.push(err135);
}
errors++;
}
validate10.errors = vErrors;
return errors === 0;
}
