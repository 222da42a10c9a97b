"""Words of descriptions that are known to be harmless: anatomy, findings, and how a picture was made."""

from typing import Final

__all__ = ["UNITS", "WORDS"]

_ANATOMY = """
    abdomen abdominal acetabulum acromioclavicular adnexa adrenal airway ankle anterior antrum aorta aortic apex
    appendix arm arteries artery artery arterial atrial atrium axilla axillary back bile biliary bladder body bone bones
    bowel brachial brain brainstem breast breasts bronchi bronchus calcaneus cardiac carotid cartilage cava cecum
    celiac cerebellum cerebral cervical cervix chest clavicle coccyx colon cord coronary cranial cranium cranio cruciate
    diaphragm disc disk duct duodenum ear ears elbow endometrium epigastric esophagus extremities extremity eye eyes
    face facial fallopian fat femoral femur fetal fetus fibula finger fingers foot feet forearm fossa gallbladder
    gastric gland glands groin hand hands head heart heel hemithorax hepatic hilum hip hips hippocampus humerus
    hypopharynx iliac ileum intestine jaw jejunum joint joints kidney kidneys knee knees larynx leg legs ligament
    limb limbs liver lobe lower lumbar lumbosacral lung lungs lymph lymphatic mandible maxilla mediastinum mesentery
    mouth muscle muscles myocardium nasal nasopharynx neck nerve nerves node nodes nose oral orbit orbits oropharynx
    ovary pancreas parotid patella pelvic pelvis pericardium perineum pharynx pituitary placenta plexus portal
    prostate pulmonary radius rectal rectum renal retroperitoneum rib ribs sacroiliac sacrum salivary scapula scrotum
    shoulder shoulders sinus sinuses skeleton skull sella spinal spine spleen sternum stomach subclavian temporal
    testis thigh thoracic thorax thumb thyroid tibia tmj toe toes tongue tonsil trachea ulna upper ureter urethra
    urinary uterus vagina vascular vein veins venous ventricle ventricles vertebra vertebrae vertebral vessel vessels
    wrist gtv ctv itv ptv oar
"""
_FINDINGS = """
    abscess acute aneurysm angio atelectasis benign biopsy calcification calcified cancer carcinoma chronic cyst
    cystic diagnostic disease dissection edema effusion embolism embolus emphysema enlarged fibrosis finding findings
    focal fracture fractures hematoma hemorrhage hernia infarct infection inflammation injury ischemia lesion lesions
    leukemia lymphoma malignant mass masses melanoma metastases metastasis metastatic nodule nodules normal obstruction
    pain pneumonia pneumothorax polyp primary recurrence recurrent sarcoma sclerosis screening stenosis stones
    stroke swelling thrombosis thrombus trauma tumor tumors tumour ulcer
"""
_PICTURES = """
    abbreviated acquisition adc ap artifact attenuation average averages axial axials baseline bolus breathhold breath
    calcium calibration check chemical cine combined contrast cor corona coronal corr corrected cr cranial csi ct cta
    ctpa cube dark data decubitus delay delayed derived diff diffusion digital dir direct dixon dose dr dti dual dwi
    dx dynamic early echo empty enhanced ep epi erect expiration exp fast fatsat fdg ffe fgre fiesta film first
    flair flash flip flow fluid fmri followup foot for free frontal fs fse full fused gad gadolinium gating gradient
    gre haste helical high hires hr hrct hybrid in initial injection inplane inspiration insp inv inversion ir iso
    isotropic kernel large lat late lateral left level limited lo loc local localizer localiser longitudinal low
    map maps mammo mammogram mammography maximum mean mediolateral medium metal mip mixed mlo mono mosaic motion
    mpr mprage mr mra mri mrcp mrv multi multiphase myelo native navigator no noise non none normalized oblique of
    off offset on opposed or oral outphase overview pa pass pd perfusion pet phase phases plain planar planning plus
    portable post posterior pre prior processed prone proton protocol pt pulse quality quick radial radiograph range
    rapid rapid raw recon reconstruction reconstructions ref reference reformat reformatted relative repeat resolution
    respiratory rest restricted right rotation routine sag sagittal sat saturation scan scans scout se second sense
    sequence series set sharp short shim short side single slab slice slices small smooth soft space spair spectral
    spin spir spoiled standard standing static std stir stress study subtraction supine supp suppressed
    suppression survey susceptibility suv swi target te test the thick thickness thin third three time tirm tissue
    to tof tomo tomography tomosynthesis total tra tracking trans transverse triggered trufi true tse turbo two tr
    ultra ultrasound unenhanced upright us variable venogram venography vibe view views viewer volume volumetric water
    weighted weighting whole wide window windowed with without wo xray and by from at after before during
"""
_UNITS = "mm cm um s sec ms min t d kv kvp ma mas ml mg hz khz mhz deg w"
WORDS: Final = frozenset(f"{_ANATOMY} {_FINDINGS} {_PICTURES}".split())
UNITS: Final = frozenset(_UNITS.split())
